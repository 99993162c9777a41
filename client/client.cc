#include "client/client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>
#include <unistd.h>

#include <random>

#include "base/status.h"
#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "blobd/v1/remotes.grpc.pb.h"
#include "client/connection.h"
#include "client/daemon_socket.h"
#include "client/data_channel.h"

namespace blobd::client {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr size_t kAddPiece = 512 * 1024;
// How long the daemon may take to be there again where nobody holds its socket meanwhile: for what
// has begun and has an end, the watch of an intent or a stream.
constexpr seconds kRestartTime(60);
// The same for what has no end: who follows a daemon that is gone is told so.
constexpr seconds kFollowRestartTime(5);
// How long a daemon may turn a watcher away, as one does that is going away.
constexpr seconds kTurnedAway(60);
// A call that is cut each time may be what ends the daemon.
constexpr int kMostTries = 5;

std::string NewKey(const std::string& prefix) {
  std::random_device random;
  std::string key = prefix + "-";
  for (int i = 0; i < 4; ++i) key += fmt::format("{:08x}", random());
  return key;
}

// Reads a stream to its end.
template <typename Response, typename OnMessage>
grpc::Status ReadAll(grpc::ClientReader<Response>& stream, const OnMessage& on_message) {
  Response response;
  while (stream.Read(&response)) on_message(response);
  return stream.Finish();
}

}  // namespace

class Client::Impl {
 public:
  Impl(const std::string& path, const Options& options)
      : connection(path, {options.timeout, options.on_waiting}),
        downloads(v1::Downloads::NewStub(connection.channel())),
        blobs(v1::Blobs::NewStub(connection.channel())),
        remotes(v1::Remotes::NewStub(connection.channel())),
        key_prefix(options.key_prefix) {}

  Status Call(Repeat repeat, const std::function<grpc::Status(grpc::ClientContext*)>& call) {
    for (int tries = 1;; ++tries) {
      BLOBD_RETURN_IF_ERROR(connection.Await());
      const Connection::Call under_way(connection);
      const grpc::Status status = call(under_way.context());
      const bool again = !status.ok() && repeat == Repeat::kSafe && tries < kMostTries &&
                         connection.WasCut(status);
      if (!again) return connection.Ended(status);
    }
  }

  // Makes the call, which reads a stream, again and again until it ends otherwise than by a daemon
  // that goes away. `absence`: how long there may be none. `call` says in its second argument that
  // something came.
  Status Follow(seconds absence,
                const std::function<grpc::Status(grpc::ClientContext*, bool*)>& call) {
    auto give_up = steady_clock::now() + kTurnedAway;
    for (;;) {
      BLOBD_RETURN_IF_ERROR(connection.Await(absence));
      bool heard = false;
      const grpc::Status status = [&] {
        const Connection::Call under_way(connection);
        return call(under_way.context(), &heard);
      }();
      const bool cut = connection.WasCut(status);
      Status ended = connection.Ended(status);
      if (ended.code() != StatusCode::kUnavailable) return ended;
      const auto now = steady_clock::now();
      if (heard || cut) give_up = now + kTurnedAway;
      if (now >= give_up) return ended;
    }
  }

  // One try at a read. Ends early with the error of `sink`, which it puts into `sink_status`.
  grpc::Status ReadOnce(const v1::ReadRequest& request, uint64_t* got, Status* sink_status,
                        const std::function<Status(std::string_view)>& sink) {
    const Connection::Call under_way(connection);
    const auto stream = blobs->Read(under_way.context(), request);
    v1::ReadResponse response;
    while (sink_status->ok() && stream->Read(&response)) {
      *got += response.data().size();
      *sink_status = sink(response.data());
    }
    if (!sink_status->ok()) under_way.context()->TryCancel();
    return stream->Finish();
  }

  Connection connection;
  const std::unique_ptr<v1::Downloads::Stub> downloads;
  const std::unique_ptr<v1::Blobs::Stub> blobs;
  const std::unique_ptr<v1::Remotes::Stub> remotes;
  const std::string key_prefix;
};

OpenedBlob::~OpenedBlob() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const Options& options) {
  const std::string path = options.socket.empty() ? DefaultSocket() : options.socket;
  if (const int error = TryConnect(path); error != 0) return SocketError(path, error);
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(path, options)));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

void Client::Interrupt() { impl_->connection.Interrupt(); }
bool Client::interrupted() const { return impl_->connection.interrupted(); }
absl::Status Client::stopped() const { return impl_->connection.stopped(); }

absl::StatusOr<v1::QueueResponse> Client::Queue(const v1::QueueRequest& request) {
  v1::QueueRequest keyed = request;
  for (v1::QueueItem& item : *keyed.mutable_items())
    if (item.idempotency_key().empty()) item.set_idempotency_key(NewKey(impl_->key_prefix));
  v1::QueueResponse response;
  BLOBD_RETURN_IF_ERROR(impl_->Call(Repeat::kSafe, [&](grpc::ClientContext* context) {
    return impl_->downloads->Queue(context, keyed, &response);
  }));
  return response;
}

// The intent is there after a restart, under the same id.
absl::Status Client::Watch(uint64_t intent_id,
                           const std::function<void(const v1::Intent&)>& on_state) {
  v1::WatchIntentRequest request;
  request.set_intent_id(intent_id);
  return impl_->Follow(kRestartTime, [&](grpc::ClientContext* context, bool* heard) {
    return ReadAll(*impl_->downloads->WatchIntent(context, request),
                   [&](const v1::WatchIntentResponse& response) {
                     *heard = true;
                     on_state(response.intent());
                   });
  });
}

absl::StatusOr<v1::Intent> Client::Wait(uint64_t intent_id) {
  v1::Intent last;
  BLOBD_RETURN_IF_ERROR(Watch(intent_id, [&last](const v1::Intent& intent) { last = intent; }));
  return last;
}

absl::Status Client::WatchTransfers(
    const v1::WatchTransfersRequest& request,
    const std::function<void(const v1::WatchTransfersResponse&)>& on_change) {
  v1::WatchTransfersRequest resumed = request;
  return impl_->Follow(kFollowRestartTime, [&](grpc::ClientContext* context, bool* heard) {
    const grpc::Status status =
        ReadAll(*impl_->downloads->WatchTransfers(context, resumed),
                [&](const v1::WatchTransfersResponse& response) {
                  *heard = true;
                  if (response.from_beginning() || !response.resume_token().empty())
                    resumed.set_resume_token(response.resume_token());
                  on_change(response);
                });
    return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the daemon ended the watch")
                       : status;
  });
}

absl::Status Client::WatchRemotes(
    const v1::WatchRemotesRequest& request,
    const std::function<void(const v1::WatchRemotesResponse&)>& on_change) {
  v1::WatchRemotesRequest resumed = request;
  return impl_->Follow(kFollowRestartTime, [&](grpc::ClientContext* context, bool* heard) {
    const grpc::Status status = ReadAll(
        *impl_->remotes->Watch(context, resumed), [&](const v1::WatchRemotesResponse& response) {
          *heard = true;
          if (response.from_beginning() || !response.resume_token().empty())
            resumed.set_resume_token(response.resume_token());
          on_change(response);
        });
    return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the daemon ended the watch")
                       : status;
  });
}

absl::Status Client::Read(const std::string& hash, Range range,
                          const std::function<absl::Status(std::string_view)>& sink) {
  v1::ReadRequest rest;
  rest.set_hash(hash);
  rest.set_offset(range.offset);
  rest.set_length(range.length);
  bool begun = false;
  for (int tries = 1;; ++tries) {
    BLOBD_RETURN_IF_ERROR(impl_->connection.Await(begun ? kRestartTime : seconds(0)));
    uint64_t got = 0;
    Status sink_status;
    const grpc::Status status = impl_->ReadOnce(rest, &got, &sink_status, sink);
    if (!sink_status.ok()) return sink_status;
    if (status.ok() || !impl_->connection.WasCut(status)) return impl_->connection.Ended(status);
    begun = begun || got > 0;
    if (got > 0) tries = 1;
    if (tries == kMostTries) return impl_->connection.Ended(status);
    rest.set_offset(rest.offset() + got);
    // A length of 0 means all: what was asked for has come, only its end was cut.
    if (range.length != 0 && got >= rest.length()) return OkStatus();
    if (range.length != 0) rest.set_length(rest.length() - got);
  }
}

absl::StatusOr<OpenedBlob> Client::OpenBlob(const std::string& hash) {
  v1::OpenRequest request;
  request.set_hash(hash);
  v1::OpenResponse response;
  BLOBD_RETURN_IF_ERROR(impl_->Call(Repeat::kSafe, [&](grpc::ClientContext* context) {
    return impl_->blobs->Open(context, request, &response);
  }));
  return TakeBlob(response, [this] { return stopped(); });
}

absl::StatusOr<v1::AddResponse> Client::Import(int file, bool is_private,
                                               const std::function<void(uint64_t)>& progress) {
  v1::ImportRequest request;
  request.set_is_private(is_private);
  v1::ImportResponse response;
  BLOBD_RETURN_IF_ERROR(impl_->Call(Repeat::kNever, [&](grpc::ClientContext* context) {
    return impl_->blobs->Import(context, request, &response);
  }));
  return HandIn(response, file, progress, [this] { return stopped(); });
}

absl::StatusOr<v1::AddResponse> Client::Add(
    bool is_private, const std::function<absl::StatusOr<size_t>(char*, size_t)>& source) {
  v1::AddResponse response;
  Status source_status;
  const auto piece = std::make_unique_for_overwrite<char[]>(kAddPiece);
  const Status status = impl_->Call(Repeat::kNever, [&](grpc::ClientContext* context) {
    // All of a small file goes out at once, with the beginning and the end of the call.
    context->set_initial_metadata_corked(true);
    const auto stream = impl_->blobs->Add(context, &response);
    v1::AddRequest message;
    message.set_is_private(is_private);
    auto size = source(piece.get(), kAddPiece);
    while (size.ok()) {
      message.set_data(piece.get(), *size);
      if (*size > 0) size = source(piece.get(), kAddPiece);
      if (!size.ok()) break;
      message.set_last(*size == 0);
      if (message.last()) {
        stream->WriteLast(message, grpc::WriteOptions());
        return stream->Finish();
      }
      if (!stream->Write(message)) return stream->Finish();
      message.clear_is_private();
    }
    source_status = size.status();
    context->TryCancel();
    return stream->Finish();
  });
  BLOBD_RETURN_IF_ERROR(source_status);
  BLOBD_RETURN_IF_ERROR(status);
  return response;
}

std::shared_ptr<grpc::ChannelInterface> Client::channel() const {
  return impl_->connection.channel();
}

absl::Status Client::Call(Repeat repeat,
                          const std::function<grpc::Status(grpc::ClientContext*)>& call) {
  return impl_->Call(repeat, call);
}

}  // namespace blobd::client
