// remotes forget and disconnect.
#include "client/context.h"
#include "client/sentence.h"

namespace blobd::client {

int RunForgetRemote(Context& context, const std::string& node) {
  v1::ForgetRemoteRequest request;
  request.set_node_id(node);
  const auto response = context.daemon->ForgetRemote(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    Say(context.style, "forgotten, with {} addresses\n", response->addresses());
  }
  return kExitDone;
}

int RunDisconnectRemote(Context& context, const std::string& node) {
  v1::DisconnectRemoteRequest request;
  request.set_node_id(node);
  const auto response = context.daemon->DisconnectRemote(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
    return kExitDone;
  }
  if (context.style.quiet) return kExitDone;
  if (response->was_connected()) Say(context.style, "we are disconnected from it\n");
  if (response->was_uploading()) Say(context.style, "it is disconnected from us\n");
  if (!response->was_connected() && !response->was_uploading())
    Say(context.style, "there was no connection\n");
  return kExitDone;
}

}  // namespace blobd::client
