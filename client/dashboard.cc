// dashboard: a page that shows what the daemon does, for a browser on this machine.
#include <google/protobuf/struct.pb.h>
#include <poll.h>

#include <cerrno>

#include "client/context.h"
#include "client/daemon_socket.h"
#include "client/dashboard_feed.h"
#include "client/dashboard_server.h"

namespace blobd::client {

int RunDashboard(Context& context, uint16_t port) {
  // A daemon that is away may come; a permission that we lack does not.
  if (const int error = TryConnect(context.socket); error == EACCES || error == EPERM)
    return Fail(SocketError(context.socket, error));
  // Before the server, which asks it.
  DashboardFeed feed(context.socket);
  const auto server = DashboardServer::Start(port, [&feed] { return feed.Look(); });
  if (!server.ok()) return Fail(server.status());
  if (context.style.is_json()) {
    google::protobuf::Struct page;
    (*page.mutable_fields())["url"].set_string_value((*server)->Url());
    PrintJson(context.style, page);
  } else {
    PrintOut("{}\n", (*server)->Url());
  }
  FlushOutput();
  if (!context.style.quiet && !context.style.is_json()) {
    PrintError(
        "blobctl: open this address in a browser on this machine; who knows it sees what you may "
        "see of blobd. Ctrl-C ends it\n");
  }
  pollfd interrupted{context.interrupt.descriptor(), POLLIN, 0};
  while (!context.interrupt.happened()) poll(&interrupted, 1, -1);
  return kExitDone;  // so it is ended
}

}  // namespace blobd::client
