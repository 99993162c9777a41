// What all calls have in common: reasons of errors, health, reflection, what is counted.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/rpc_method.h>

#include <algorithm>

#include "base/error_reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

namespace health = grpc::health::v1;
namespace reflection = grpc::reflection::v1;

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(details.ParseFromString(status.error_details())) << status.error_message();
  EXPECT_TRUE(details.details_size() == 1 && details.details(0).UnpackTo(&info));
  return info;
}

// What is known by this name; empty: nothing.
std::string Known(const google::rpc::ErrorInfo& info, const std::string& key) {
  for (const auto& known : info.metadata())
    if (known.key() == key) return known.value();
  return "";
}

class ServerCallsTest : public ServerTest {
 protected:
  // Of a call that has been answered: the server counts it in the same moment.
  uint64_t CountOf(Method method, StatusCode code) {
    for (const CallCounts::Ended& ended : server_->Counts().ended) {
      if (ended.method == method && ended.code == code) return ended.count;
    }
    return 0;
  }
};

TEST_F(ServerCallsTest, ErrorsHaveAReasonAndWhatIsKnown) {
  const auto channel = Channel();
  const auto stub = v1::Downloads::NewStub(channel);
  v1::GetIntentRequest request;
  request.set_intent_id(77);
  v1::Intent intent;
  const grpc::Status unknown = Call(*stub, &v1::Downloads::Stub::GetIntent, request, &intent);
  EXPECT_EQ(unknown.error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(InfoOf(unknown).reason(), "UNKNOWN_INTENT");
  EXPECT_EQ(InfoOf(unknown).domain(), "blobd");
  EXPECT_EQ(Known(InfoOf(unknown), "intent_id"), "77");

  v1::QueueRequest wrong;
  wrong.add_items()->mutable_kind()->set_hash("nonsense");
  v1::QueueResponse response;
  const grpc::Status malformed = Call(*stub, &v1::Downloads::Stub::Queue, wrong, &response);
  EXPECT_EQ(malformed.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(malformed).reason(), "MALFORMED_HASH");
  EXPECT_EQ(Known(InfoOf(malformed), "field"), "items[0].kind.hash");
  EXPECT_EQ(Known(InfoOf(malformed), "value"), "nonsense");

  const CallCounts counts = server_->Counts();
  EXPECT_EQ(CountOf(Method::kDownloadsGetIntent, StatusCode::kNotFound), 1u);
  EXPECT_EQ(CountOf(Method::kDownloadsQueue, StatusCode::kInvalidArgument), 1u);
  EXPECT_NE(std::find(counts.errors.begin(), counts.errors.end(),
                      std::make_pair(Reason::kMalformedHash, uint64_t{1})),
            counts.errors.end());
  EXPECT_EQ(counts.connections.open, 1u);
  EXPECT_EQ(counts.connections.accepted, 1u);
  EXPECT_EQ(counts.open_calls, 0u);
}

TEST_F(ServerCallsTest, AMethodOfAnotherAgeIsAnErrorLikeOthers) {
  const auto channel = Channel();
  for (const char* name : {"/blobd.v1.Downloads/Upload", "/blobd.v9.Downloads/Queue", "/x/y"}) {
    const grpc::internal::RpcMethod method(name, grpc::internal::RpcMethod::NORMAL_RPC);
    grpc::ClientContext context;
    v1::QueueRequest request;
    v1::QueueResponse response;
    const grpc::Status status =
        grpc::internal::BlockingUnaryCall(channel.get(), method, &context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::UNIMPLEMENTED) << name;
    EXPECT_EQ(InfoOf(status).reason(), "UNKNOWN_METHOD");
    EXPECT_NE(status.error_message().find(name), std::string::npos) << status.error_message();
  }
}

TEST_F(ServerCallsTest, WhatIsTooLargeForItsMethodIsNotParsed) {
  const auto channel = Channel();
  const auto stub = v1::Downloads::NewStub(channel);
  v1::GetIntentRequest padded;
  padded.GetReflection()->MutableUnknownFields(&padded)->AddLengthDelimited(1000,
                                                                            std::string(5000, 'x'));
  v1::Intent intent;
  const grpc::Status bytes = Call(*stub, &v1::Downloads::Stub::GetIntent, padded, &intent);
  EXPECT_EQ(bytes.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(bytes).reason(), "MALFORMED_REQUEST");
  EXPECT_NE(bytes.error_message().find("4096 bytes"), std::string::npos) << bytes.error_message();

  v1::QueueRequest many;
  for (int i = 0; i < 400'000; ++i) many.add_items();
  v1::QueueResponse response;
  const grpc::Status values = Call(*stub, &v1::Downloads::Stub::Queue, many, &response);
  EXPECT_EQ(InfoOf(values).reason(), "MALFORMED_REQUEST");
  EXPECT_NE(values.error_message().find("350000 values"), std::string::npos)
      << values.error_message();
}

TEST_F(ServerCallsTest, HealthFollowsWhetherIntentsAreTaken) {
  const auto channel = Channel();
  const auto stub = health::Health::NewStub(channel);
  const auto check = [&](const std::string& service) {
    health::HealthCheckRequest request;
    request.set_service(service);
    health::HealthCheckResponse response;
    const grpc::Status status = Call(*stub, &health::Health::Stub::Check, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  };
  for (const char* service : {"", "blobd.v1.Downloads", "blobd.v1.Blobs", "blobd.v1.Remotes",
                              "blobd.v1.Tags", "blobd.v1.Admin"}) {
    EXPECT_EQ(check(service), health::HealthCheckResponse::SERVING) << service;
  }
  health::HealthCheckRequest unknown;
  unknown.set_service("blobd.v1.Uploads");
  health::HealthCheckResponse response;
  const grpc::Status status = Call(*stub, &health::Health::Stub::Check, unknown, &response);
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(InfoOf(status).reason(), "UNKNOWN_SERVICE");

  grpc::ClientContext context;
  const auto watch = stub->Watch(&context, health::HealthCheckRequest());
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING);
  grpc::ClientContext other_context;
  const auto other = stub->Watch(&other_context, unknown);
  ASSERT_TRUE(other->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVICE_UNKNOWN);
  EXPECT_EQ(server_->Counts().open_streams, 2u);

  const auto admin = v1::Admin::NewStub(channel);
  v1::DrainResponse drained;
  ASSERT_TRUE(Call(*admin, &v1::Admin::Stub::Drain, v1::DrainRequest(), &drained).ok());
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(check(""), health::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(check("blobd.v1.Downloads"), health::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(check("blobd.v1.Blobs"), health::HealthCheckResponse::SERVING);
  context.TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), grpc::CANCELLED);
  other_context.TryCancel();
  other->Finish();
}

// As a tool does that knows nothing of us: it lists, asks, and finds a method with its messages.
template <typename Named>
void LearnTheApi(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = Named::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  const auto ask = [&](const reflection::ServerReflectionRequest& request) {
    reflection::ServerReflectionResponse response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    return response;
  };
  reflection::ServerReflectionRequest request;
  request.set_list_services("*");
  const auto listed = ask(request);
  ASSERT_EQ(listed.list_services_response().service_size(), 7);

  google::protobuf::DescriptorPool pool;
  for (const auto& service : listed.list_services_response().service()) {
    request.set_file_containing_symbol(service.name());
    const auto files = ask(request).file_descriptor_response();
    for (int i = files.file_descriptor_proto_size() - 1; i >= 0; --i) {
      google::protobuf::FileDescriptorProto proto;
      ASSERT_TRUE(proto.ParseFromString(files.file_descriptor_proto(i)));
      if (pool.FindFileByName(proto.name()) == nullptr) pool.BuildFile(proto);
    }
    EXPECT_NE(pool.FindServiceByName(service.name()), nullptr) << service.name();
  }
  EXPECT_NE(pool.FindMethodByName("blobd.v1.Downloads.Queue"), nullptr);

  request.set_file_by_filename("blobd/v1/types.proto");
  EXPECT_EQ(ask(request).file_descriptor_response().file_descriptor_proto_size(), 1);
  request.set_all_extension_numbers_of_type("blobd.v1.Kind");
  EXPECT_EQ(ask(request).all_extension_numbers_response().base_type_name(), "blobd.v1.Kind");
  for (const std::string& name : {std::string("blobd.v1.Nothing"), std::string(),
                                  std::string(3000, 'x'), std::string("..")}) {
    request.set_file_containing_symbol(name);
    const auto answer = ask(request);
    EXPECT_EQ(answer.error_response().error_code(), grpc::NOT_FOUND);
    EXPECT_LT(answer.ByteSizeLong(), 1024u);
  }
  request.Clear();
  EXPECT_EQ(ask(request).error_response().error_code(), grpc::INVALID_ARGUMENT);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ServerCallsTest, ReflectionTellsTheApi) {
  LearnTheApi<grpc::reflection::v1::ServerReflection>(Channel());
  LearnTheApi<grpc::reflection::v1alpha::ServerReflection>(Channel());
  EXPECT_EQ(CountOf(Method::kReflectionInfo, StatusCode::kOk), 2u);
}

// Streams that ask nothing hold what they hold, and more of them are refused.
TEST_F(ServerCallsTest, ReflectionIsBoundedLikeOtherCalls) {
  const auto stub = grpc::reflection::v1::ServerReflection::NewStub(Channel());
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  using Stream = grpc::ClientReaderWriter<reflection::ServerReflectionRequest,
                                          reflection::ServerReflectionResponse>;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<grpc::reflection::v1::ServerReflection::Stub>> stubs;
  reflection::ServerReflectionRequest request;
  reflection::ServerReflectionResponse response;
  request.set_list_services("*");
  for (int i = 0; i < 160; ++i) {
    // 64 at a time on one connection.
    if (i % 50 == 0) stubs.push_back(grpc::reflection::v1::ServerReflection::NewStub(Channel()));
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stubs.back()->ServerReflectionInfo(contexts.back().get()));
    ASSERT_TRUE(streams.back()->Write(request) && streams.back()->Read(&response)) << i;
  }
  grpc::ClientContext context;
  const auto one_more = stub->ServerReflectionInfo(&context);
  one_more->WritesDone();
  const grpc::Status refused = one_more->Finish();
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED) << refused.error_message();
  EXPECT_EQ(InfoOf(refused).reason(), "TOO_MANY_CALLS");
  for (const auto& stream : streams) {
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }
}

}  // namespace
}  // namespace blobd::rpc
