// blobd_empty_server: a gRPC server without a method, linked as blobd is: what being such a process
// costs before it does anything.
//
//   blobd_empty_server SOCKET
//
// Prints a line when it listens, and serves until it is ended.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: blobd_empty_server SOCKET\n");
    return 2;
  }
  grpc::CallbackGenericService nothing;  // answers every method with UNIMPLEMENTED
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + std::string(argv[1]), grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&nothing);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "blobd_empty_server: cannot listen on %s\n", argv[1]);
    return 1;
  }
  std::puts("listening");
  std::fflush(stdout);
  server->Wait();
  return 0;
}
