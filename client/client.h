// Client: a program's way to blobd, the machine's download daemon for immutable content. It finds
// and connects to the daemon's socket, queues, watches and waits for downloads, and reads blobs as
// streams or as descriptors. A daemon that is started again is a pause and no error: calls wait
// for it, what is safe to repeat is repeated where it was cut, a watch goes on, and so does a read,
// behind the last byte that came.
//
// Everything else that the daemon can do is in the generated stubs of blobd/v1/*.grpc.pb.h: Call
// makes such a call on the same connection, with the same care.
//
// Thread:    calls block. They may come from several threads at once; Interrupt may come from any
//            other thread and ends those under way. Callbacks run on the thread of the call, where
//            nothing else is said, and may make calls themselves.
// Ownership: destroyed when no call is under way. What a function returns is the caller's.
// Units:     offsets, lengths and sizes in bytes; what ends in _unix_ms in milliseconds since 1970.
// Errors:    the daemon's own codes and messages, which say what to do; ReasonOf has the reason for
//            programs. kUnavailable: the daemon cannot be reached. kDeadlineExceeded: the time of
//            Options is over. kCancelled: interrupted. No function throws.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "blobd/v1/blobs.pb.h"
#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"

namespace grpc {
class ChannelInterface;
class ClientContext;
class Status;
}  // namespace grpc

namespace blobd::client {

// Why a call failed, for programs: the words that packaging/docs/api.md lists.
struct Reason {
  std::string name;    // "UNKNOWN_INTENT"
  std::string domain;  // "blobd"
  // What is known besides: "field", "limit" and so on.
  std::map<std::string, std::string> details;
};
// nullopt: the daemon gave none, or the error is no answer of the daemon.
std::optional<Reason> ReasonOf(const absl::Status& status);

// A complete blob, open for reading only. Its bytes stay while it is open, even if the daemon
// removes the blob; they were verified when they came.
class OpenedBlob {
 public:
  OpenedBlob(int descriptor, uint64_t size) : descriptor_(descriptor), size_(size) {}
  OpenedBlob(OpenedBlob&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}
  OpenedBlob& operator=(OpenedBlob&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~OpenedBlob();  // closes it

  // Use pread or mmap: the position may be shared with others.
  int descriptor() const { return descriptor_; }
  uint64_t size() const { return size_; }
  // Leaves the descriptor to the caller, who closes it.
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
  uint64_t size_;
};

// A part of a blob.
struct Range {
  uint64_t offset = 0;
  uint64_t length = 0;  // 0: to the end
};

// Whether a call may be made again when it was cut and nobody knows what came of it.
enum class Repeat { kNever, kSafe };

class Client {
 public:
  struct Options {
    // Empty: what BLOBD_SOCKET says, else the user's own daemon if it answers, else the system's.
    std::string socket;
    // What all calls have together, from now on; absent: as long as they take.
    std::optional<std::chrono::milliseconds> timeout;
    // Called once, by some thread, when a call has to wait for the daemon.
    std::function<void()> on_waiting;
    // What the idempotency keys begin with that Queue makes up.
    std::string key_prefix = "client";
  };
  // Errors: kUnavailable: no daemon holds the socket; kPermissionDenied: it is not for this user.
  // Both say what to do about it.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const Options& options);

  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Ends the calls under way, now and for all later ones, with kCancelled.
  void Interrupt();
  bool interrupted() const;
  // OK while calls may go on; else why not: interrupted, or out of time.
  absl::Status stopped() const;

  // Makes one intent for each item, all or none, durable when this returns. An item without an
  // idempotency key is given one, so that it is queued once however often the call was cut.
  absl::StatusOr<v1::QueueResponse> Queue(const v1::QueueRequest& request);
  // Calls `on_state` with the present state, with every change, and last with how the intent ended;
  // returns OK then. The intent is no affair of ours if this is interrupted: it goes on.
  absl::Status Watch(uint64_t intent_id, const std::function<void(const v1::Intent&)>& on_state);
  // The same without a callback: how the intent ended, well or not.
  absl::StatusOr<v1::Intent> Wait(uint64_t intent_id);

  // Follow all transfers, or all nodes, for as long as the daemon lets them: never OK. After a
  // restart what comes is as the messages say it, `from_beginning` or not.
  absl::Status WatchTransfers(
      const v1::WatchTransfersRequest& request,
      const std::function<void(const v1::WatchTransfersResponse&)>& on_change);
  absl::Status WatchRemotes(const v1::WatchRemotesRequest& request,
                            const std::function<void(const v1::WatchRemotesResponse&)>& on_change);

  // Gives the bytes to `sink` piece by piece, in order, each once; an error of `sink` ends the call
  // with that error. Works for blobs that are partly here, as far as the range is.
  // Errors: kNotFound: nothing of it is here. kOutOfRange: not all of the range is, or it ends
  // behind the blob.
  absl::Status Read(const std::string& hash, Range range,
                    const std::function<absl::Status(std::string_view)>& sink);
  // Opens a complete blob over the daemon's data socket: the cheapest way to large ones.
  // Errors: kNotFound: nothing of it is here. kFailedPrecondition: it is not complete.
  // kUnimplemented, kUnavailable: not this way or not now, so Read it.
  absl::StatusOr<OpenedBlob> OpenBlob(const std::string& hash);

  // Takes in all of `file`, a regular file opened for reading, which stays the caller's. `progress`
  // may be empty; it gets the bytes taken in so far.
  // Errors: kUnimplemented, kUnavailable: not this way, not now or not this file, so Add it.
  absl::StatusOr<v1::AddResponse> Import(int file, bool is_private,
                                         const std::function<void(uint64_t)>& progress);
  // Takes in what `source` puts into its buffer, until it says 0 bytes; its error ends the call.
  absl::StatusOr<v1::AddResponse> Add(
      bool is_private,
      const std::function<absl::StatusOr<size_t>(char* buffer, size_t size)>& source);

  // Everything else: for a stub of one of the services, `v1::Tags::NewStub(client->channel())`.
  std::shared_ptr<grpc::ChannelInterface> channel() const;
  // Makes a call of such a stub. `call` is given a context, makes one call with it to its end, of
  // any shape, and returns how that ended:
  //   client->Call(Repeat::kSafe, [&](grpc::ClientContext* context) {
  //     return tags->List(context, request, &response);
  //   });
  // It may be run again if it is safe to repeat; then the answer of the last time counts.
  absl::Status Call(Repeat repeat, const std::function<grpc::Status(grpc::ClientContext*)>& call);

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace blobd::client
