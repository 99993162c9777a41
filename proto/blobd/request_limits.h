// Request limits: what a request may cost is known before it is parsed. A message in memory can be
// a hundred times what it is on the wire (two bytes are an empty item of 150), and gRPC parses a
// request before it knows whose it is, so each request is measured first, in bytes and in values:
// the fields in it, those of messages in it, and those that nobody knows, each element for its own.
//
// The generated services include this header; it decides how gRPC reads the requests named at its
// end, at the server. A request that is too large is answered like one that is no message.
//
// Thread: any; pure functions.
// Source: https://protobuf.dev/programming-guides/encoding; grpcpp/impl/codegen/proto_utils.h.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <cstddef>
#include <cstdint>

namespace blobd {

struct RequestLimit {
  size_t bytes;
  size_t values;
};

// What a method asks that names a few things.
inline constexpr RequestLimit kSmall = {4096, 256};
// What has a ticket, up to 1,000 ids, or a configuration of limits.
inline constexpr RequestLimit kMiddle = {64 * 1024, 2048};
// What lists up to 10,000 ids or hashes, or all that is known of 64 providers.
inline constexpr RequestLimit kList = {1 << 20, 20'480};
// What lists up to 10,000 items with 50,000 providers, or 100,000 names.
inline constexpr RequestLimit kLarge = {16 << 20, 350'000};
// A piece of a blob. What it may have of data has an error of its own.
inline constexpr RequestLimit kPiece = {2 << 20, 64};
// Small blobs, many at once. The same.
inline constexpr RequestLimit kPieces = {2 << 20, 2048};

// The limit of a request of the API; null: it is none.
const RequestLimit* LimitOf(const google::protobuf::Descriptor& request);

// Not OK: it is larger than `limit`, or is no message. Nothing is copied, and `bytes` stay as they
// are.
grpc::Status CheckRequest(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& request,
                          const RequestLimit& limit);

// How gRPC turns a request into bytes and back.
template <typename Request>
class LimitedRequest {
 public:
  static grpc::Status Serialize(const grpc::protobuf::MessageLite& request, grpc::ByteBuffer* bytes,
                                bool* own_buffer) {
    return grpc::GenericSerialize<grpc::ProtoBufferWriter, Request>(request, bytes, own_buffer);
  }
  static grpc::Status Deserialize(grpc::ByteBuffer* bytes, grpc::protobuf::MessageLite* request) {
    const auto& descriptor = *Request::descriptor();
    grpc::Status status = CheckRequest(*bytes, descriptor, *LimitOf(descriptor));
    if (!status.ok()) {
      bytes->Clear();
      return status;
    }
    status = grpc::GenericDeserialize<grpc::ProtoBufferReader, Request>(bytes, request);
    // gRPC keeps it until the call is over, and who made it may see to it that this takes long.
    // Clear would keep the memory, for the next use.
    if (!status.ok()) Request().Swap(static_cast<Request*>(request));
    return status;
  }
};

}  // namespace blobd

// Every request of every service, with its limit.
#define BLOBD_REQUESTS(X)                         \
  X(blobd::v1, AddAddressesRequest, kMiddle)      \
  X(blobd::v1, AddRequest, kPiece)                \
  X(blobd::v1, AddSmallRequest, kPieces)          \
  X(blobd::v1, BackupRequest, kSmall)             \
  X(blobd::v1, BanRequest, kSmall)                \
  X(blobd::v1, CancelRequest, kList)              \
  X(blobd::v1, CancelTransferRequest, kSmall)     \
  X(blobd::v1, CollectGarbageRequest, kSmall)     \
  X(blobd::v1, CreateCollectionRequest, kLarge)   \
  X(blobd::v1, CreateTicketRequest, kMiddle)      \
  X(blobd::v1, DeleteTagRequest, kSmall)          \
  X(blobd::v1, DisconnectRemoteRequest, kSmall)   \
  X(blobd::v1, DrainRequest, kSmall)              \
  X(blobd::v1, ForgetRemoteRequest, kSmall)       \
  X(blobd::v1, GetCollectionRequest, kSmall)      \
  X(blobd::v1, GetConfigRequest, kSmall)          \
  X(blobd::v1, GetIntentRequest, kSmall)          \
  X(blobd::v1, GetLimitsRequest, kSmall)          \
  X(blobd::v1, GetRemoteRequest, kSmall)          \
  X(blobd::v1, GetTransferRequest, kSmall)        \
  X(blobd::v1, ImportRequest, kSmall)             \
  X(blobd::v1, ImportUrlRequest, kSmall)          \
  X(blobd::v1, ListBansRequest, kSmall)           \
  X(blobd::v1, ListBlobsRequest, kSmall)          \
  X(blobd::v1, ListIntentsRequest, kSmall)        \
  X(blobd::v1, ListRemotesRequest, kSmall)        \
  X(blobd::v1, ListRequestsRequest, kSmall)       \
  X(blobd::v1, ListTagsRequest, kSmall)           \
  X(blobd::v1, ListTransfersRequest, kSmall)      \
  X(blobd::v1, NodesHaveRequest, kList)           \
  X(blobd::v1, OpenRequest, kSmall)               \
  X(blobd::v1, ParseTicketRequest, kMiddle)       \
  X(blobd::v1, PauseRequest, kList)               \
  X(blobd::v1, QueueRequest, kLarge)              \
  X(blobd::v1, ReadRequest, kSmall)               \
  X(blobd::v1, RecoverRegistryRequest, kSmall)    \
  X(blobd::v1, ReloadRequest, kSmall)             \
  X(blobd::v1, RemoveRequest, kList)              \
  X(blobd::v1, ResumeRequest, kList)              \
  X(blobd::v1, SetLimitsRequest, kMiddle)         \
  X(blobd::v1, SetPrivateRequest, kSmall)         \
  X(blobd::v1, SetTagRequest, kSmall)             \
  X(blobd::v1, StatRequest, kSmall)               \
  X(blobd::v1, StatusRequest, kSmall)             \
  X(blobd::v1, UnbanRequest, kSmall)              \
  X(blobd::v1, VerifyRequest, kList)              \
  X(blobd::v1, WatchIntentRequest, kSmall)        \
  X(blobd::v1, WatchRemotesRequest, kSmall)       \
  X(blobd::v1, WatchTransfersRequest, kMiddle)    \
  X(blobd::v1, WhyKeptRequest, kSmall)            \
  X(blobd::v1, WhyRequest, kSmall)                \
  X(grpc::health::v1, HealthCheckRequest, kSmall) \
  X(grpc::reflection::v1, ServerReflectionRequest, kSmall)

#define BLOBD_LIMIT_REQUEST(package, Request, limit)      \
  namespace package {                                     \
  class Request;                                          \
  }                                                       \
  template <>                                             \
  class grpc::SerializationTraits<package::Request, void> \
      : public blobd::LimitedRequest<package::Request> {};
BLOBD_REQUESTS(BLOBD_LIMIT_REQUEST)
#undef BLOBD_LIMIT_REQUEST
