#include "lookup/dns_resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "lookup/dns_message.h"

namespace blobd::lookup {
namespace {

Status AresStatus(int code) {
  const std::string what = ares_strerror(code);
  switch (code) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
      return NotFound("no such name");
    case ARES_ETIMEOUT:
      return Unavailable("no DNS server answered");
    case ARES_ECONNREFUSED:
      return Unavailable("no DNS server can be reached");
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
      return Unavailable("{}", what);
    default:
      return Unavailable("DNS: {}", what);
  }
}

// ares_library_init counts, but may not run in two threads at once.
bool InitAres() {
  static const bool initialised = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return initialised;
}

class AresResolver final : public DnsResolver {
 public:
  explicit AresResolver(loop::Loop& loop) : loop_(loop) {}
  ~AresResolver() override {
    closing_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);  // answers all questions, and closes sockets
    if (timer_ != 0) loop_.CancelTimer(timer_);
    for (const auto& [fd, events] : watched_) loop_.Unwatch(fd);
    for (const TimerId answer : answers_) loop_.CancelTimer(answer);
  }

  Status Open(const Options& options) {
    if (!InitAres()) return Unavailable("c-ares cannot be used");
    ares_options wanted{};
    wanted.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    wanted.timeout = static_cast<int>(options.timeout / milliseconds(1));
    wanted.tries = 3;
    wanted.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<AresResolver*>(self)->OnSocket(fd, readable != 0, writable != 0);
    };
    wanted.sock_state_cb_data = this;
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (const int code = ares_init_options(&channel_, &wanted, mask); code != ARES_SUCCESS) {
      channel_ = nullptr;
      return AresStatus(code);
    }
    if (options.servers.empty()) return OkStatus();
    std::string csv;
    for (const std::string& server : options.servers) {
      if (server.find(',') != std::string::npos) {
        return InvalidArgument("{} is not a DNS server's address", server);
      }
      if (!csv.empty()) csv += ',';
      csv += server;
    }
    if (ares_set_servers_ports_csv(channel_, csv.c_str()) != ARES_SUCCESS) {
      return InvalidArgument("{} are not addresses of DNS servers", csv);
    }
    return OkStatus();
  }

  void QueryTxt(const std::string& name, UniqueFunction<void(StatusOr<Texts>)> done) override {
    if (questions_ >= kMaxQuestions) {
      return AnswerSoon(std::move(done),
                        ResourceExhausted("{} DNS questions are open already", kMaxQuestions));
    }
    ++questions_;
    auto question = std::make_unique<Question>(Question{this, std::move(done)});
    ares_query(channel_, name.c_str(), ns_c_in, ns_t_txt, &OnAnswer, question.release());
    ArmTimer();
  }

 private:
  struct Question {
    AresResolver* resolver;
    UniqueFunction<void(StatusOr<Texts>)> done;
  };

  void AnswerSoon(UniqueFunction<void(StatusOr<Texts>)> done, StatusOr<Texts> answer) {
    auto id = std::make_shared<TimerId>(0);
    *id = loop_.AddTimer(loop_.Now(),
                         [this, id, done = std::move(done), answer = std::move(answer)]() mutable {
                           answers_.erase(*id);
                           done(std::move(answer));
                         });
    answers_.insert(*id);
  }

  // c-ares may answer inside ares_query; whoever asked hears of it later all the same.
  static void OnAnswer(void* argument, int code, int timeouts, unsigned char* bytes, int size) {
    static_cast<void>(timeouts);
    std::unique_ptr<Question> question(static_cast<Question*>(argument));
    AresResolver& self = *question->resolver;
    --self.questions_;
    if (self.closing_) return;
    StatusOr<Texts> answer = code != ARES_SUCCESS
                                 ? StatusOr<Texts>(AresStatus(code))
                                 : Read(ByteView(bytes, static_cast<size_t>(std::max(size, 0))));
    self.AnswerSoon(std::move(question->done), std::move(answer));
  }

  // Records of other names are passed over; the resolver may have followed aliases, which iroh's
  // records do not use.
  static StatusOr<Texts> Read(ByteView bytes) {
    const StatusOr<DnsMessage> message = DnsMessage::Parse(bytes);
    if (!message.ok()) return DataLoss("{}", Message(message.status()));
    if (message->questions.size() != 1) return DataLoss("a DNS answer to nothing that was asked");
    Texts texts;
    for (const DnsRecord& record : message->answers) {
      const auto* txt = std::get_if<DnsTxt>(&record.data);
      if (txt == nullptr || record.name != message->questions[0].name) continue;
      texts.push_back(txt->Joined());
    }
    if (texts.empty()) return NotFound("the name has no TXT records");
    return texts;
  }

  void OnSocket(int fd, bool readable, bool writable) {
    const uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    const auto known = watched_.find(fd);
    if (events == 0) {
      if (known == watched_.end()) return;
      loop_.Unwatch(fd);
      watched_.erase(known);
      return;
    }
    if (known != watched_.end()) {
      known->second = events;
      static_cast<void>(loop_.ChangeEvents(fd, events));
      return;
    }
    const Status watched = loop_.Watch(fd, events, [this, fd](uint32_t ready) {
      const auto read = (ready & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 ? fd : ARES_SOCKET_BAD;
      const auto write = (ready & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD;
      ares_process_fd(channel_, read, write);
      ArmTimer();
    });
    // One that cannot be watched is found by its timeout.
    if (watched.ok()) watched_[fd] = events;
  }

  void ArmTimer() {
    if (timer_ != 0) loop_.CancelTimer(std::exchange(timer_, 0));
    timeval left{};
    const timeval* next = ares_timeout(channel_, nullptr, &left);
    if (next == nullptr) return;
    // A millisecond more, since c-ares would find nothing to do a moment too early.
    const Duration wait = seconds(next->tv_sec) + microseconds(next->tv_usec) + milliseconds(1);
    timer_ = loop_.AddTimer(loop_.Now() + wait, [this] {
      timer_ = 0;
      ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      ArmTimer();
    });
  }

  loop::Loop& loop_;
  ares_channel channel_ = nullptr;
  bool closing_ = false;
  size_t questions_ = 0;
  TimerId timer_ = 0;
  std::unordered_map<int, uint32_t> watched_;
  std::set<TimerId> answers_;  // on their way
};

}  // namespace

StatusOr<std::unique_ptr<DnsResolver>> DnsResolver::Create(loop::Loop& loop,
                                                           const Options& options) {
  auto resolver = std::make_unique<AresResolver>(loop);
  BLOBD_RETURN_IF_ERROR(resolver->Open(options));
  return resolver;
}

}  // namespace blobd::lookup
