#include "wire/request.h"

#include <algorithm>
#include <utility>

#include "base/overloaded.h"
#include "wire/postcard.h"

namespace blobd::wire {
namespace {

// The discriminants; 2 to 7 are reserved and mean nothing.
constexpr uint64_t kGet = 0;
constexpr uint64_t kObserve = 1;
constexpr uint64_t kPush = 8;
constexpr uint64_t kGetMany = 9;

constexpr size_t kHashSize = 32;

// What Get, Push and (without a length) the inside of a Push have in common.
template <typename T>
StatusOr<Request> ReadHashAndRanges(Reader& reader) {
  T request;
  BLOBD_ASSIGN_OR_RETURN(request.hash, reader.ReadHash());
  BLOBD_ASSIGN_OR_RETURN(request.ranges, ReadRangeSpecSeq(reader));
  return Request(std::move(request));
}

StatusOr<Request> ReadObserve(Reader& reader) {
  ObserveRequest request;
  BLOBD_ASSIGN_OR_RETURN(request.hash, reader.ReadHash());
  BLOBD_ASSIGN_OR_RETURN(request.ranges, ReadRangeSpec(reader));
  return Request(std::move(request));
}

StatusOr<Request> ReadPush(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(const ByteView bytes, reader.Blob(kMaxRequestSize));
  Reader inner(bytes);
  auto request = ReadHashAndRanges<PushRequest>(inner);
  // The length was all there, so what is missing inside of it will not come.
  if (!request.ok()) {
    return InvalidArgument("push header: {}", Message(request.status()));
  }
  return request;
}

StatusOr<Request> ReadGetMany(Reader& reader) {
  GetManyRequest request;
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(kHashSize, kMaxRequestSize / kHashSize));
  request.hashes.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    BLOBD_ASSIGN_OR_RETURN(const Hash hash, reader.ReadHash());
    request.hashes.push_back(hash);
  }
  BLOBD_ASSIGN_OR_RETURN(request.ranges, ReadRangeSpecSeq(reader));
  return Request(std::move(request));
}

StatusOr<Request> ReadRequest(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(const uint64_t kind, reader.Varint());
  switch (kind) {
    case kGet:
      return ReadHashAndRanges<GetRequest>(reader);
    case kObserve:
      return ReadObserve(reader);
    case kPush:
      return ReadPush(reader);
    case kGetMany:
      return ReadGetMany(reader);
  }
  return InvalidArgument("there is no request of kind {}", kind);
}

void WriteHashAndRanges(const Hash& hash, const RangeSpecSeq& ranges, Writer& writer) {
  writer.Raw(hash.view());
  WriteRangeSpecSeq(ranges, writer);
}

void WriteRequest(const Request& request, Writer& writer) {
  std::visit(Overloaded{[&](const GetRequest& get) {
                          writer.Varint(kGet);
                          WriteHashAndRanges(get.hash, get.ranges, writer);
                        },
                        [&](const ObserveRequest& observe) {
                          writer.Varint(kObserve);
                          writer.Raw(observe.hash.view());
                          WriteRangeSpec(observe.ranges, writer);
                        },
                        [&](const PushRequest& push) {
                          Writer inner;
                          WriteHashAndRanges(push.hash, push.ranges, inner);
                          writer.Varint(kPush);
                          writer.Blob(inner.bytes());
                        },
                        [&](const GetManyRequest& get_many) {
                          writer.Varint(kGetMany);
                          writer.Varint(get_many.hashes.size());
                          for (const Hash& hash : get_many.hashes) writer.Raw(hash.view());
                          WriteRangeSpecSeq(get_many.ranges, writer);
                        }},
             request);
}

}  // namespace

StatusOr<DecodedRequest> DecodeRequest(ByteView bytes) {
  Reader reader(bytes.first(std::min(bytes.size(), kMaxRequestSize)));
  auto request = ReadRequest(reader);
  if (!request.ok()) {
    if (request.status().code() == StatusCode::kOutOfRange && bytes.size() >= kMaxRequestSize) {
      return ResourceExhausted("the request is larger than {} bytes", kMaxRequestSize);
    }
    return std::move(request).status();
  }
  return DecodedRequest{*std::move(request), reader.position()};
}

StatusOr<Bytes> EncodeRequest(const Request& request) {
  Writer writer;
  WriteRequest(request, writer);
  if (writer.bytes().size() > kMaxRequestSize) {
    return ResourceExhausted("the request would take {} bytes; at most {} are read",
                             writer.bytes().size(), kMaxRequestSize);
  }
  return writer.Take();
}

Bytes EncodeGet(const Hash& hash, const RangeSpecSeq& ranges) {
  Writer writer;
  writer.Varint(kGet);
  WriteHashAndRanges(hash, ranges, writer);
  return writer.Take();
}

}  // namespace blobd::wire
