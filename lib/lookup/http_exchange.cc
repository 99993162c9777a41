#include "lookup/http_exchange.h"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

namespace blobd::lookup {
namespace {

Status CurlStatus(CURLcode code, const char* detail) {
  const std::string_view what = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return InvalidArgument("{}", what);
  }
  if (code == CURLE_WRITE_ERROR) return DataLoss("the answer is too long");
  if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_RECV_ERROR) {
    return DataLoss("{}", what);
  }
  return Unavailable("{}", what);
}

// More than once does no harm.
bool InitCurl() {
  static const bool initialised = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return initialised;
}

class CurlExchange final : public HttpExchange {
 public:
  explicit CurlExchange(loop::Loop& loop) : loop_(loop) {}
  ~CurlExchange() override {
    for (auto& [id, open] : open_) Close(*open);
    open_.clear();
    if (multi_ != nullptr) curl_multi_cleanup(multi_);
    if (timer_ != 0) loop_.CancelTimer(timer_);
    for (const curl_socket_t fd : watched_) loop_.Unwatch(fd);
    for (const auto& [id, timer] : refused_) loop_.CancelTimer(timer);
  }

  // Before the first exchange: a daemon that makes none does without libcurl.
  Status Open() {
    if (multi_ != nullptr) return OkStatus();
    if (InitCurl()) multi_ = curl_multi_init();
    if (multi_ == nullptr) return Unavailable("libcurl cannot be used");
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &OnSocket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &OnTimer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, kMaxConnections);
    return OkStatus();
  }

  ExchangeId Start(Request request, UniqueFunction<void(StatusOr<Answer>)> done) override {
    const ExchangeId id{next_++};
    if (open_.size() >= kMaxExchanges) {
      RefuseSoon(id, ResourceExhausted("{} exchanges are open already", kMaxExchanges),
                 std::move(done));
      return id;
    }
    if (Status opened = Open(); !opened.ok()) {
      RefuseSoon(id, std::move(opened), std::move(done));
      return id;
    }
    auto exchange = std::make_unique<Exchange>();
    exchange->id = id;
    exchange->request = std::move(request);
    exchange->easy = curl_easy_init();
    if (exchange->easy == nullptr) {
      RefuseSoon(id, Unavailable("libcurl has no memory"), std::move(done));
      return id;
    }
    exchange->done = std::move(done);
    SetUp(*exchange);
    Exchange& added = *exchange;
    open_[id] = std::move(exchange);
    curl_multi_add_handle(multi_, added.easy);  // calls OnTimer; what follows happens later
    return id;
  }

  void Stop(ExchangeId id) override {
    if (const auto refused = refused_.find(id); refused != refused_.end()) {
      loop_.CancelTimer(refused->second);
      refused_.erase(refused);
      return;
    }
    const auto it = open_.find(id);
    if (it == open_.end()) return;
    Close(*it->second);
    open_.erase(it);
  }

 private:
  struct Exchange {
    ExchangeId id;
    Request request;
    CURL* easy = nullptr;
    curl_slist* headers = nullptr;
    size_t sent = 0;
    Answer answer;
    char error[CURL_ERROR_SIZE] = {};
    UniqueFunction<void(StatusOr<Answer>)> done;
  };

  void RefuseSoon(ExchangeId id, Status status, UniqueFunction<void(StatusOr<Answer>)> done) {
    refused_[id] = loop_.AddTimer(
        loop_.Now(), [this, id, status = std::move(status), done = std::move(done)]() mutable {
          refused_.erase(id);
          done(status);
        });
  }

  static void SetUp(Exchange& exchange) {
    CURL* const easy = exchange.easy;
    const Request& request = exchange.request;
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request.put ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(request.timeout / milliseconds(1)));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "blobd");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
    if (request.put) {
      curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_READFUNCTION, &OnSend);
      curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
      // What fits a packet needs no leave to be sent.
      exchange.headers = curl_slist_append(exchange.headers, "Expect:");
    }
    if (exchange.headers != nullptr) {
      curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange.headers);
    }
  }

  void Close(Exchange& exchange) {
    curl_multi_remove_handle(multi_, exchange.easy);
    curl_easy_cleanup(exchange.easy);
    curl_slist_free_all(exchange.headers);
  }

  static size_t OnBody(char* data, size_t one, size_t size, void* exchange) {
    static_cast<void>(one);
    Exchange& self = *static_cast<Exchange*>(exchange);
    if (self.answer.body.size() + size > self.request.max_answer) return 0;
    const ByteView bytes = AsBytes({data, size});
    self.answer.body.insert(self.answer.body.end(), bytes.begin(), bytes.end());
    return size;
  }

  static size_t OnSend(char* out, size_t one, size_t room, void* exchange) {
    static_cast<void>(one);
    Exchange& self = *static_cast<Exchange*>(exchange);
    const size_t size = std::min(room, self.request.body.size() - self.sent);
    std::copy_n(self.request.body.begin() + static_cast<long>(self.sent), size, out);
    self.sent += size;
    return size;
  }

  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self_pointer, void* known) {
    static_cast<void>(easy);
    static_cast<void>(known);
    CurlExchange& self = *static_cast<CurlExchange*>(self_pointer);
    if (what == CURL_POLL_REMOVE) {
      if (self.watched_.erase(fd) != 0) self.loop_.Unwatch(fd);
      return 0;
    }
    const uint32_t events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
    if (self.watched_.count(fd) != 0) {
      return self.loop_.ChangeEvents(fd, events).ok() ? 0 : -1;
    }
    const Status watched =
        self.loop_.Watch(fd, events, [&self, fd](uint32_t ready) { self.OnReady(fd, ready); });
    if (!watched.ok()) return -1;
    self.watched_.insert(fd);
    return 0;
  }

  void OnReady(curl_socket_t fd, uint32_t ready) {
    const int action = ((ready & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                       ((ready & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                       ((ready & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    int running = 0;
    curl_multi_socket_action(multi_, fd, action, &running);
    Finish();
  }

  static int OnTimer(CURLM* multi, long wait_ms, void* self_pointer) {
    static_cast<void>(multi);
    CurlExchange& self = *static_cast<CurlExchange*>(self_pointer);
    if (self.timer_ != 0) self.loop_.CancelTimer(std::exchange(self.timer_, 0));
    if (wait_ms < 0) return 0;
    self.timer_ = self.loop_.AddTimer(self.loop_.Now() + milliseconds(wait_ms), [&self] {
      self.timer_ = 0;
      int running = 0;
      curl_multi_socket_action(self.multi_, CURL_SOCKET_TIMEOUT, 0, &running);
      self.Finish();
    });
    return 0;
  }

  // Tells of all that have ended. Whoever hears of one may start and stop others.
  void Finish() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Exchange* ended = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ended);
      long answered = 0;
      curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &answered);
      auto node = open_.extract(ended->id);
      const std::unique_ptr<Exchange> exchange = std::move(node.mapped());
      Close(*exchange);
      if (code != CURLE_OK) {
        exchange->done(CurlStatus(code, exchange->error));
        continue;
      }
      exchange->answer.code = static_cast<int>(answered);
      exchange->done(std::move(exchange->answer));
    }
  }

  loop::Loop& loop_;
  CURLM* multi_ = nullptr;
  TimerId timer_ = 0;
  uint64_t next_ = 1;
  std::map<ExchangeId, std::unique_ptr<Exchange>> open_;
  std::map<ExchangeId, TimerId> refused_;
  std::unordered_set<curl_socket_t> watched_;
};

}  // namespace

std::unique_ptr<HttpExchange> HttpExchange::Create(loop::Loop& loop) {
  return std::make_unique<CurlExchange>(loop);
}

}  // namespace blobd::lookup
