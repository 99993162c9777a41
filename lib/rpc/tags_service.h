// Tags, see proto/blobd/v1/tags.proto.
#pragma once

#include "blobd/v1/tags.grpc.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

class TagsService final : public v1::Tags::CallbackService {
 public:
  explicit TagsService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* Set(grpc::CallbackServerContext* call, const v1::SetTagRequest* request,
                                v1::SetTagResponse* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* call,
                                   const v1::DeleteTagRequest* request,
                                   v1::DeleteTagResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call,
                                 const v1::ListTagsRequest* request,
                                 v1::ListTagsResponse* response) override;

 private:
  const ServiceContext& context_;
};

// 1 to 255 bytes of UTF-8 without control characters, and nothing that reads as a hash or a ticket.
Status CheckTagName(const std::string& name);

}  // namespace blobd::rpc
