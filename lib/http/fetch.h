// Fetch: one request of Client on a libcurl handle, redirects included.
//
//   kWaiting --Open--> kAsking --head judged--> kReading --limit, end of body, error--> kOver
//                        ^ `-- redirect --.
//                        `----------------'
//
// Thread:    the loop's. The receiver is called from within libcurl's callbacks, where nothing of
//            libcurl may be called; hence what callers ask for meanwhile is only noted, and done by
//            Work at the end of the turn.
// Ownership: owned by the client. Destroying it closes a connection that is in use.
#pragma once

#include <curl/curl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "http/client.h"
#include "http/multi.h"
#include "http/redirects.h"

namespace blobd::http {

class Fetch;

// What a fetch needs of its client, and tells it.
class FetchOwner {
 public:
  virtual ~FetchOwner() = default;
  virtual Instant Now() const = 0;
  virtual Multi& multi() = 0;
  virtual const ClientOptions& options() const = 0;
  // The server delivers, or has answered in order. Once.
  virtual void OnDelivered(Fetch& fetch) = 0;
  virtual void OnReceived(Fetch& fetch, uint64_t bytes) = 0;
  // It wants Work at the end of this turn.
  virtual void WantsWork(Fetch& fetch) = 0;
  // A connection's socket, which outlives the fetch, was made; and is to be closed.
  virtual void OnSocketOpened(int fd) = 0;
  virtual void OnSocketClosed(int fd) = 0;
};

class Fetch {
 public:
  Fetch(FetchOwner& owner, FetchId id, const Url& url, Ask ask, const FetchOptions& options,
        FetchReceiver* receiver);
  ~Fetch();
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  FetchId id() const { return id_; }
  const Origin& origin() const { return origin_; }
  const FetchOptions& options() const { return options_; }
  void Hurry() { options_.remaining.reset(); }
  bool running() const { return state_ == State::kAsking || state_ == State::kReading; }
  bool over() const { return state_ == State::kOver; }
  bool delivered() const { return delivered_; }
  // We ended it, by no fault of the server's.
  bool ended_by_us() const { return ended_by_us_; }
  Instant opened() const { return opened_; }

  // Sends the request. `config` is that of its origin and holds for this request only; `window` is
  // what of its own it was given.
  void Open(const OriginConfig& config, uint64_t window);
  uint64_t window() const { return window_; }  // 0 before Open
  void Widen(uint64_t more);
  void Consumed(uint64_t bytes);
  std::optional<uint64_t> LowerEnd(uint64_t end);
  void EndAsSurplus();
  // It is not to be opened, by no fault of the server's.
  void Refuse(std::string reason);
  // Nobody listens any more.
  void Detach();
  // The client's receive window is another one now.
  void OnWindowChanged();

  // libcurl has ended what it was doing.
  void OnDone(CURLcode code);
  // Does what could not be done within a callback: goes on reading, stops.
  void Work();
  // Ends it if the server is silent. Called about twice a second.
  void CheckSilence();
  // The last call to the receiver. REQUIRES: over()
  void TellEnd();

 private:
  enum class State { kWaiting, kAsking, kReading, kOver };
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  // libcurl's callbacks.
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static curl_socket_t OnSocket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int OnCloseSocket(void* owner, curl_socket_t fd);
  static int OnRequest(void* self, char* remote_ip, char* local_ip, int remote_port,
                       int local_port);

  uint64_t Window() const;
  bool SetUp();
  void SendRequest();
  bool TakeHeader(std::string_view line);
  void TakeHead();
  size_t TakeBody(ByteView bytes);
  size_t Discard(size_t size);
  void FollowRedirect(const std::string& location);
  FetchEnd EndOfContent(CURLcode code) const;
  FetchEnd EndWithoutAnswer(CURLcode code);
  // Whether `address` may be connected to; notes why not.
  bool MayConnect(const SocketAddress& address);

  // Notes the end; what libcurl still does is stopped by Work. The first one counts.
  void Finish(FetchEnd end);
  void Delivered();
  void Detached();
  std::string ErrorText(CURLcode code) const;

  FetchOwner& owner_;
  const FetchId id_;
  const Origin origin_;
  Ask ask_;
  FetchOptions options_;
  FetchReceiver* receiver_;  // null after Detach
  State state_ = State::kWaiting;
  Redirects way_;
  OriginConfig config_;

  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  bool added_ = false;  // to the multi handle
  HeadReader head_;
  std::optional<Answer> answer_;
  size_t discarded_ = 0;
  bool new_connection_ = false;  // of this page: a socket was opened
  std::string refused_;          // an address that may not be connected to
  int local_error_ = 0;          // errno of a socket that we could not open

  uint64_t position_;              // of the next byte
  std::optional<uint64_t> limit_;  // reading ends here
  uint64_t received_ = 0;
  uint64_t unconsumed_ = 0;
  uint64_t window_ = 0;
  bool paused_ = false;
  bool delivered_ = false;
  bool ended_by_us_ = false;
  Instant opened_;
  Instant last_byte_;
  FetchEnd end_;
};

}  // namespace blobd::http
