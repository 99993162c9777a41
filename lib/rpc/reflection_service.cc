#include "rpc/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>

#include "base/utf8.h"

namespace blobd::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using reflection::ServerReflectionRequest;
using reflection::ServerReflectionResponse;

// No name of ours is longer, and what was asked is sent back.
constexpr size_t kMaxName = 512;

// The file and all that it imports, each once.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>* seen,
             reflection::FileDescriptorResponse* out) {
  if (!seen->insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), seen, out);
}

void AnswerWithFile(const FileDescriptor* file, ServerReflectionResponse* response) {
  if (file != nullptr) {
    std::set<const FileDescriptor*> seen;
    return AddFile(*file, &seen, response->mutable_file_descriptor_response());
  }
  response->mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
  response->mutable_error_response()->set_error_message("there is nothing of this name");
}

class ReflectionReactor final
    : public Reactor<grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse>> {
 public:
  explicit ReflectionReactor(const std::vector<std::string>& services) : services_(services) {}

  void Begin(const Status& caller) {
    TakeOver();
    if (!caller.ok()) return End(caller);
    Read(&request_);
  }
  // One thing at a time: a read, then the write of its answer.
  void OnReadDone(bool ok) override {
    TakeOver();
    if (!ok) return End(OkStatus());  // the caller has asked everything
    response_ = Reflect(request_, services_);
    Write(&response_);
  }
  void OnWriteDone(bool ok) override {
    TakeOver();
    if (!ok) return End(CallerIsGone());
    Read(&request_);
  }

 private:
  const std::vector<std::string>& services_;
  ServerReflectionRequest request_;
  ServerReflectionResponse response_;
};

}  // namespace

ServerReflectionResponse Reflect(const ServerReflectionRequest& request,
                                 const std::vector<std::string>& services) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  ServerReflectionResponse response;
  if (request.ByteSizeLong() <= 2 * kMaxName) {
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
  }
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      AnswerWithFile(request.file_by_filename().size() <= kMaxName
                         ? pool.FindFileByName(request.file_by_filename())
                         : nullptr,
                     &response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerWithFile(request.file_containing_symbol().size() <= kMaxName
                         ? pool.FindFileContainingSymbol(request.file_containing_symbol())
                         : nullptr,
                     &response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AnswerWithFile(nullptr, &response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      if (request.all_extension_numbers_of_type().size() > kMaxName ||
          pool.FindMessageTypeByName(request.all_extension_numbers_of_type()) == nullptr) {
        AnswerWithFile(nullptr, &response);
      } else {
        response.mutable_all_extension_numbers_response()->set_base_type_name(
            request.all_extension_numbers_of_type());
      }
      break;
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : services)
        response.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error_response()->set_error_message("nothing is asked");
      break;
  }
  return response;
}

grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse>* ReflectOn(
    const ServiceContext& context, grpc::CallbackServerContext* call,
    const std::vector<std::string>& services) {
  auto* reactor = new ReflectionReactor(services);
  reactor->Begin(context.Admit(*call, Method::kReflectionInfo, reactor, kQuestionWeight).status());
  return reactor;
}

}  // namespace blobd::rpc
