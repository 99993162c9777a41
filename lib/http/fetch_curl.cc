// The part of Fetch that speaks to libcurl: options, callbacks, sockets.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/check.h"
#include "http/address_check.h"
#include "http/fetch.h"

namespace blobd::http {
namespace {

// What libcurl reads at once. Each connection has one buffer of it.
constexpr long kBufferSize = 128 * 1024;

std::optional<SocketAddress> AddressOf(std::string_view ip, int port) {
  const std::string host =
      ip.find(':') == std::string_view::npos ? std::string(ip) : "[" + std::string(ip) + "]";
  return SocketAddress::Parse(host + ":" + std::to_string(port));
}

long Milliseconds(Duration duration) {
  return static_cast<long>(std::chrono::duration_cast<milliseconds>(duration).count());
}

}  // namespace

bool Fetch::SetUp() {
  easy_.reset(curl_easy_init());
  if (easy_ == nullptr) return false;
  const ClientOptions& options = owner_.options();
  CURL* easy = easy_.get();
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) ok = false;
  };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_NOSIGNAL, 1L);
  // Otherwise ending a fetch whose name is still being resolved waits for the resolver.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_BUFFERSIZE, kBufferSize);
  set(CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(options.connect_timeout));
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  set(CURLOPT_HEADERFUNCTION, &Fetch::OnHeader);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Fetch::OnBody);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &Fetch::OnSocket);
  set(CURLOPT_OPENSOCKETDATA, this);
  // Called for the connection, perhaps long after this fetch.
  set(CURLOPT_CLOSESOCKETFUNCTION, &Fetch::OnCloseSocket);
  set(CURLOPT_CLOSESOCKETDATA, &owner_);
  set(CURLOPT_PREREQFUNCTION, &Fetch::OnRequest);
  set(CURLOPT_PREREQDATA, this);
  return ok;
}

void Fetch::SendRequest() {
  head_ = HeadReader();
  answer_.reset();
  discarded_ = 0;
  new_connection_ = false;
  refused_.clear();
  local_error_ = 0;
  error_[0] = '\0';
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_URL, way_.here().text().c_str());
  // An empty proxy also keeps libcurl from asking the environment for one; and from an empty list
  // of what needs none, past which a redirect could lead around the proxy to this machine.
  const bool at_home = way_.at_first_origin();
  curl_easy_setopt(easy, CURLOPT_PROXY, config_.proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  ask_.end = limit_;  // it may have been lowered while this waited
  const std::string range = RangeOf(ask_);
  curl_easy_setopt(easy, CURLOPT_RANGE, range.empty() ? nullptr : range.c_str());
  curl_slist* list = nullptr;
  const auto append = [&list](const std::string& line) {
    curl_slist* longer = curl_slist_append(list, line.c_str());
    BLOBD_CHECK(longer != nullptr);  // out of memory
    list = longer;
  };
  for (const std::string& line : RequestHeaders(ask_)) append(line);
  if (at_home) {
    for (const auto& [name, value] : config_.headers) append(name + ": " + value);
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  headers_.reset(list);
  owner_.multi().Add(easy);
  added_ = true;
}

bool Fetch::MayConnect(const SocketAddress& address) {
  // With a proxy the address is the proxy's, which the operator has chosen.
  if (!config_.proxy.empty() || way_.may_be_local()) return true;
  const auto place = LocalPlace(address);
  if (!place) return true;
  refused_ =
      fmt::format("{} leads to {}, {}", way_.here().origin().host, address.ToString(), *place);
  return false;
}

size_t Fetch::OnHeader(char* data, size_t size, size_t count, void* self) {
  const std::string_view line(data, size * count);
  return static_cast<Fetch*>(self)->TakeHeader(line) ? line.size() : 0;
}

size_t Fetch::OnBody(char* data, size_t size, size_t count, void* self) {
  return static_cast<Fetch*>(self)->TakeBody(AsBytes(std::string_view(data, size * count)));
}

curl_socket_t Fetch::OnSocket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* fetch = static_cast<Fetch*>(self);
  const auto remote = SocketAddress::FromSockaddr(&address->addr);
  if (!remote || !fetch->MayConnect(*remote)) return CURL_SOCKET_BAD;
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) {
    fetch->local_error_ = errno;
    return CURL_SOCKET_BAD;
  }
  fetch->owner_.OnSocketOpened(fd);
  fetch->new_connection_ = true;
  return fd;
}

int Fetch::OnCloseSocket(void* owner, curl_socket_t fd) {
  static_cast<FetchOwner*>(owner)->OnSocketClosed(fd);
  return close(fd);
}

// A connection may be one that another fetch opened under other rules.
int Fetch::OnRequest(void* self, char* remote_ip, char*, int remote_port, int) {
  const auto remote = AddressOf(remote_ip, remote_port);
  if (!remote) return CURL_PREREQFUNC_ABORT;
  return static_cast<Fetch*>(self)->MayConnect(*remote) ? CURL_PREREQFUNC_OK
                                                        : CURL_PREREQFUNC_ABORT;
}

}  // namespace blobd::http
