// DataExchange: one connection on the data socket, from its first byte to its last
// (proto/blobd/v1/data_socket.proto).
//
//   kRequest --token, to open---------------------------------------> kWork --answer--> kAnswered
//      |     `--token and file, to import--> kLook --> kTurn --turn--^                    ^   |
//      `---- anything else, too late; a turn that does not come ----------- error -------'   v gone
//
// A peer that hangs up is gone at once, from every state, and what it began is cancelled. While an
// answer with a descriptor lies unreceived, the connection stays and counts: descriptors on their
// way are a resource of our uid to the kernel, and a peer that never receives costs itself.
//
// Thread:    the data socket's loop.
// Ownership: shared by its host, until it calls Ended; answers of the store hold it weakly.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/hash.h"
#include "base/task.h"
#include "base/time.h"
#include "blobd/v1/data_socket.pb.h"
#include "loop/loop.h"
#include "rpc/call_book.h"
#include "rpc/datagram.h"
#include "rpc/import_source.h"
#include "rpc/token_table.h"
#include "store/blob_store.h"

namespace blobd::rpc {

struct DataOptions {
  UidLimits connections;
  UidLimits imports = {4, 8, 1};           // that run at once; others wait for their turn
  UidLimits descriptors = {16, 128, 8};    // that are being looked at or closed
  Duration request_timeout = seconds(10);  // from connecting to the request
  // For its turn: hashing what others cloned may take hours, and a stream needs no turn.
  Duration turn_timeout = seconds(5);
  Duration answer_timeout = seconds(10);  // from the answer to closing; asked again and again
  Duration progress_interval = milliseconds(250);
};

// Since the start. Read by any thread.
struct DataCounts {
  std::atomic<uint64_t> opened = 0;    // descriptors given
  std::atomic<uint64_t> imported = 0;  // descriptors taken in
  std::atomic<uint64_t> refused = 0;   // connections and requests that ended with an error
};

// Keeps garbage collection away from what is being taken in: calls `add` on any thread, which says
// what it made, and then `done`, on any thread, when it is kept for `caller` for a while.
using Added = UniqueFunction<void(StatusOr<std::vector<Kind>>)>;
using KeepImport = std::function<void(const engine::Caller& caller, UniqueFunction<void(Added)> add,
                                      UniqueFunction<void(Status)> done)>;

class DataExchange final : public std::enable_shared_from_this<DataExchange> {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // Calls StartImport of `exchange`, now or when it is its turn.
    virtual void AwaitTurn(DataExchange& exchange) = 0;
    // It waits no longer.
    virtual void GiveUpTurn(DataExchange& exchange) = 0;
    // What StartImport began is over, or was cancelled.
    virtual void EndTurn(DataExchange& exchange) = 0;
    // Lets go of `exchange`, which is destroyed then.
    virtual void Ended(DataExchange& exchange) = 0;
  };
  struct Deps {
    Host& host;
    loop::Loop& loop;
    store::BlobStore& store;
    TokenTable& tokens;
    KeepImport keep;
    SourceInspector& inspector;
    DataCounts& counts;
    CallBook* calls = nullptr;  // hears of errors, if there is one
  };

  DataExchange(const Deps& deps, const DataOptions& options, store::Descriptor connection,
               const engine::Caller& caller)
      : deps_(deps), options_(options), connection_(std::move(connection)), caller_(caller) {}
  ~DataExchange();
  DataExchange(const DataExchange&) = delete;
  DataExchange& operator=(const DataExchange&) = delete;

  // Waits for the request.
  void Begin();
  // REQUIRES: the host was asked for the turn
  void StartImport();

  const engine::Caller& caller() const { return caller_; }
  bool has_turn() const { return has_turn_; }

 private:
  enum class State { kRequest, kLook, kTurn, kWork, kAnswered };

  void OnEvent(uint32_t events);
  void OnRequest(Datagram datagram, bool took_descriptors);
  // What the request buys, if its descriptors fit that.
  StatusOr<Grant> Check(const Datagram& datagram, bool took_descriptors);
  void OnInspected(StatusOr<store::Descriptor> source);
  void StartOpen(const Hash& hash);
  void OnOpened(StatusOr<store::BlobDescriptor> blob);
  void OnProgress(uint64_t bytes);
  void ImportNow(Added added);
  void OnImported(const store::Import::Result& result, Added added);
  void OnKept(const Status& status);

  void Refuse(const Status& status);
  void Answer(const v1::DataAnswer& answer, int descriptor);
  void Arm(Duration timeout);
  void OnDeadline();
  void End() { deps_.host.Ended(*this); }

  const Deps& deps_;
  const DataOptions& options_;
  const store::Descriptor connection_;
  const engine::Caller caller_;
  State state_ = State::kRequest;
  TimerId deadline_ = 0;
  bool is_private_ = false;
  store::Descriptor source_;  // until the store has it
  uint64_t source_size_ = 0;
  std::unique_ptr<store::StoreJob> job_;
  store::Import::Result result_;
  bool has_turn_ = false;
  Instant progress_at_;  // when it was told last
};

// Sends an error and expects nothing more.
void SendError(int connection, const Status& status);

}  // namespace blobd::rpc
