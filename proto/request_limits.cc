#include "blobd/request_limits.h"

#include <google/protobuf/io/coded_stream.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <string_view>
#include <unordered_map>

#include "blobd/v1/admin.pb.h"
#include "blobd/v1/blobs.pb.h"
#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"
#include "blobd/v1/tags.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace blobd {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::CodedInputStream;

constexpr int kMaxDepth = 32;  // messages in messages; ours have five

// The types of the wire; groups are the two that are missing, which proto3 does not have.
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Counts down the values of one message, and of those in it.
class Counter {
 public:
  Counter(CodedInputStream& in, size_t most) : in_(in), left_(most) {}

  // False: there are too many, or these bytes are no message.
  bool Count(const Descriptor& message, int depth) {  // NOLINT(misc-no-recursion): kMaxDepth
    if (depth > kMaxDepth) return false;
    for (uint32_t tag = 0; (tag = in_.ReadTag()) != 0;) {
      if (left_-- == 0) return false;
      if (!SkipValue(message.FindFieldByNumber(static_cast<int>(tag >> 3)),
                     static_cast<WireType>(tag & 7), depth))
        return false;
    }
    return in_.ConsumedEntireMessage();
  }

 private:
  bool SkipValue(const FieldDescriptor* field, WireType type,
                 int depth) {  // NOLINT(misc-no-recursion)
    switch (type) {
      case WireType::kVarint: {
        uint64_t ignored = 0;
        return in_.ReadVarint64(&ignored);
      }
      case WireType::kFixed64:
        return in_.Skip(8);
      case WireType::kFixed32:
        return in_.Skip(4);
      case WireType::kBytes: {
        int size = 0;
        if (!in_.ReadVarintSizeAsInt(&size)) return false;
        const bool is_message = field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE;
        if (!is_message) return in_.Skip(size);
        const CodedInputStream::Limit outer = in_.PushLimit(size);
        const bool ok = Count(*field->message_type(), depth + 1) && in_.BytesUntilLimit() == 0;
        in_.PopLimit(outer);
        return ok;
      }
    }
    return false;
  }

  CodedInputStream& in_;
  size_t left_;
};

}  // namespace

const RequestLimit* LimitOf(const Descriptor& request) {
  static const auto* const kLimits = [] {
    auto* limits = new std::unordered_map<const Descriptor*, RequestLimit>();
#define BLOBD_KEEP_LIMIT(package, Request, limit) \
  limits->emplace(package::Request::descriptor(), limit);
    BLOBD_REQUESTS(BLOBD_KEEP_LIMIT)
#undef BLOBD_KEEP_LIMIT
    return limits;
  }();
  const auto found = kLimits->find(&request);
  return found == kLimits->end() ? nullptr : &found->second;
}

grpc::Status CheckRequest(grpc::ByteBuffer& bytes, const Descriptor& request,
                          const RequestLimit& limit) {
  if (bytes.Length() > limit.bytes) return {grpc::INVALID_ARGUMENT, "too many bytes"};
  grpc::ProtoBufferReader reader(&bytes);
  if (!reader.status().ok()) return reader.status();
  CodedInputStream in(&reader);
  if (!Counter(in, limit.values).Count(request, 0))
    return {grpc::INVALID_ARGUMENT, "too many values, or no message"};
  return grpc::Status::OK;
}

}  // namespace blobd
