#include "client/dashboard_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "client/dashboard_gate.h"
#include "client/dashboard_page.h"

namespace blobd::client {
namespace {

constexpr unsigned kMostConnections = 64;
constexpr unsigned kSilenceSeconds = 30;
constexpr size_t kRequestBytes = 32 * 1024;

// What every answer says besides its own; a page without scripts gets the same.
void AddHeaders(MHD_Response* response, const char* type, const std::string& policy) {
  const auto add = [response](const char* name, const char* value) {
    MHD_add_response_header(response, name, value);
  };
  add("Content-Type", type);
  add("Content-Security-Policy", policy.c_str());
  add("X-Content-Type-Options", "nosniff");
  add("X-Frame-Options", "DENY");
  add("Referrer-Policy", "no-referrer");
  add("Cross-Origin-Resource-Policy", "same-origin");
  add("Cross-Origin-Opener-Policy", "same-origin");
  add("Cache-Control", "no-store");
}

struct Answer {
  unsigned code = 500;
  const char* type = "text/plain; charset=utf-8";
  std::string policy = "default-src 'none'; frame-ancestors 'none'";
  std::string body;
  bool closes = false;  // what else comes on the connection is not read
};

MHD_Result Send(MHD_Connection* connection, const Answer& answer) {
  // The library copies the bytes, and takes them by a pointer that is not const.
  MHD_Response* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  AddHeaders(response, answer.type, answer.policy);
  if (answer.code == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, "Allow", "GET, HEAD");
  if (answer.closes) MHD_add_response_header(response, "Connection", "close");
  const MHD_Result sent = MHD_queue_response(connection, answer.code, response);
  MHD_destroy_response(response);
  return sent;
}

MHD_Result AddHost(void* hosts, MHD_ValueKind, const char* name, const char* value) {
  std::string lower;
  for (const char* c = name; *c != '\0'; ++c) lower += static_cast<char>(*c | 0x20);
  if (lower == "host") {
    static_cast<std::vector<std::string_view>*>(hosts)->push_back(value == nullptr ? "" : value);
  }
  return MHD_YES;
}

DashboardRequest RequestOf(MHD_Connection* connection, const char* url, const char* method) {
  DashboardRequest request{method, url, {}, false};
  MHD_get_connection_values(connection, MHD_HEADER_KIND, AddHost, &request.hosts);
  const auto header = [connection](const char* name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  };
  const char* length = header("Content-Length");
  request.has_body = header("Transfer-Encoding") != nullptr ||
                     (length != nullptr && std::string_view(length) != "0");
  return request;
}

}  // namespace

class DashboardServer::Impl {
 public:
  explicit Impl(std::function<std::string()> data) : data_(std::move(data)) {}
  ~Impl() {
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
  }

  Status Listen(uint16_t port, std::string token) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    // It is ended by a message of its own: of the listening socket, by which it else learns that,
    // it looks away while it has as many connections as it takes.
    daemon_ = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC, port, nullptr, nullptr, OnRequest, this,
        MHD_OPTION_SOCK_ADDR, reinterpret_cast<const sockaddr*>(&address),
        MHD_OPTION_CONNECTION_LIMIT, kMostConnections, MHD_OPTION_CONNECTION_TIMEOUT,
        kSilenceSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kRequestBytes, MHD_OPTION_END);
    const MHD_DaemonInfo* bound =
        daemon_ == nullptr ? nullptr : MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT);
    if (bound == nullptr) {
      const std::string reason = std::strerror(errno);
      // Not kUnavailable: that is about the daemon.
      if (port == 0) return FailedPrecondition("cannot listen at 127.0.0.1: {}", reason);
      return FailedPrecondition(
          "cannot listen at 127.0.0.1:{}: {}; leave out --port for any that is free", port, reason);
    }
    const MutexLock lock(mutex_);
    gate_.emplace(std::move(token), bound->port);
    return OkStatus();
  }

  std::string Url() {
    const MutexLock lock(mutex_);
    return gate_->Url();
  }

 private:
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char*, const char*, size_t* body_size,
                              void** request_state) {
    Impl& impl = *static_cast<Impl*>(self);
    // The library calls first with the headers, then once more when all of the request is there.
    const bool is_first = *request_state == nullptr;
    *request_state = self;
    const DashboardVerdict verdict = impl.Judge(RequestOf(connection, url, method));
    if (is_first && verdict.answer != DashboardVerdict::Answer::kRefusal) return MHD_YES;
    *body_size = 0;
    return Send(connection, impl.AnswerOf(verdict));
  }

  DashboardVerdict Judge(const DashboardRequest& request) {
    const MutexLock lock(mutex_);
    if (!gate_) return {DashboardVerdict::Answer::kRefusal, 503, "not ready yet; try again\n"};
    return gate_->Judge(request);
  }

  Answer AnswerOf(const DashboardVerdict& verdict) const {
    Answer answer;
    answer.code = verdict.code;
    switch (verdict.answer) {
      case DashboardVerdict::Answer::kPage: {
        auto page = NewDashboardPage();
        if (!page.ok()) {
          answer.code = MHD_HTTP_SERVICE_UNAVAILABLE;
          answer.body = Message(page.status()) + "\n";
          break;
        }
        answer.type = "text/html; charset=utf-8";
        answer.policy = std::move(page->policy);
        answer.body = std::move(page->html);
        break;
      }
      case DashboardVerdict::Answer::kData:
        answer.type = "application/json";
        answer.body = data_();
        break;
      case DashboardVerdict::Answer::kRefusal:
        answer.body = verdict.refusal;
        answer.closes = true;
        break;
    }
    return answer;
  }

  const std::function<std::string()> data_;
  // The server may be asked before the port that it got is known.
  Mutex mutex_;
  std::optional<DashboardGate> gate_ ABSL_GUARDED_BY(mutex_);
  MHD_Daemon* daemon_ = nullptr;
};

StatusOr<std::unique_ptr<DashboardServer>> DashboardServer::Start(
    uint16_t port, std::function<std::string()> data) {
  BLOBD_ASSIGN_OR_RETURN(std::string token, NewDashboardToken());
  auto impl = std::make_unique<Impl>(std::move(data));
  BLOBD_RETURN_IF_ERROR(impl->Listen(port, std::move(token)));
  return std::unique_ptr<DashboardServer>(new DashboardServer(std::move(impl)));
}

DashboardServer::DashboardServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DashboardServer::~DashboardServer() = default;

std::string DashboardServer::Url() const { return impl_->Url(); }

}  // namespace blobd::client
