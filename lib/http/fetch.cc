#include "http/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/units.h"
#include "base/utf8.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;

// The body of a page that is not the file: read, so that the connection can be used again, up to
// here.
constexpr size_t kMaxDiscarded = 64 * 1024;
// Less would let a receiver that keeps part of a chunk group to itself wait for ever.
constexpr uint64_t kLeastWindow = 64 * 1024;
constexpr size_t kMaxReason = 300;

FetchEnd End(Kind kind, std::string reason) {
  FetchEnd end;
  end.kind = kind;
  end.reason = std::move(reason);
  return end;
}

}  // namespace

Fetch::Fetch(FetchOwner& owner, FetchId id, const Url& url, Ask ask, const FetchOptions& options,
             FetchReceiver* receiver)
    : owner_(owner),
      id_(id),
      origin_(url.origin()),
      ask_(std::move(ask)),
      options_(options),
      receiver_(receiver),
      way_(url, false),
      position_(ask_.begin),
      limit_(ask_.end) {
  BLOBD_CHECK(ask_.begin == 0 || ask_.ranged());
  // Beyond a proven size there is nothing that could be wanted.
  if (ask_.size) limit_ = std::min(limit_.value_or(*ask_.size), *ask_.size);
}

Fetch::~Fetch() {
  if (added_) owner_.multi().Remove(easy_.get());
}

void Fetch::Open(const OriginConfig& config, uint64_t window) {
  BLOBD_CHECK(state_ == State::kWaiting);
  config_ = config;
  window_ = window;
  way_ = Redirects(way_.here(), config.local_allowed);
  opened_ = last_byte_ = owner_.Now();
  state_ = State::kAsking;
  if (receiver_ != nullptr) receiver_->OnOpened();
  if (!running()) return;  // the receiver ended it
  if (position_ >= limit_.value_or(ask_.max_size)) {
    ended_by_us_ = true;
    return Finish({});
  }
  if (const Status status = way_.CheckFirst(); !status.ok()) {
    ended_by_us_ = true;
    return Finish(End(Kind::kForbidden, Message(status)));
  }
  if (!SetUp()) {
    ended_by_us_ = true;
    return Finish(End(Kind::kLocalFault, "libcurl has no memory, or lacks what blobd needs"));
  }
  SendRequest();
}

void Fetch::Consumed(uint64_t bytes) {
  BLOBD_CHECK(bytes <= unconsumed_);
  unconsumed_ -= bytes;
  if (paused_ && unconsumed_ <= Window() / 2) owner_.WantsWork(*this);
}

uint64_t Fetch::Window() const {
  const uint64_t limit = owner_.options().receive_window;
  return std::max(kLeastWindow, limit == 0 ? window_ : std::min(window_, limit));
}

void Fetch::Widen(uint64_t more) {
  window_ += more;
  OnWindowChanged();
}

void Fetch::OnWindowChanged() {
  if (paused_ && unconsumed_ <= Window() / 2) owner_.WantsWork(*this);
}

std::optional<uint64_t> Fetch::LowerEnd(uint64_t end) {
  if (over()) return std::nullopt;
  const uint64_t wish = std::max(end, position_);
  if (limit_ && *limit_ <= wish) return limit_;
  limit_ = wish;
  if (position_ == wish && running()) {
    ended_by_us_ = true;
    Finish({});
  }
  return wish;
}

void Fetch::EndAsSurplus() {
  ended_by_us_ = true;
  Finish(End(Kind::kSurplus, "fewer connections to this server are allowed now"));
}

void Fetch::Refuse(std::string reason) {
  ended_by_us_ = true;
  Finish(End(Kind::kLocalFault, std::move(reason)));
}

void Fetch::Detach() {
  receiver_ = nullptr;
  ended_by_us_ = true;
  Finish({});
}

void Fetch::Finish(FetchEnd end) {
  if (over()) return;
  state_ = State::kOver;
  end_ = std::move(end);
  end_.received = received_;
  owner_.WantsWork(*this);
}

void Fetch::TellEnd() {
  BLOBD_CHECK(over());
  if (FetchReceiver* receiver = std::exchange(receiver_, nullptr)) receiver->OnEnd(end_);
}

void Fetch::Delivered() {
  if (std::exchange(delivered_, true)) return;
  owner_.OnDelivered(*this);
}

void Fetch::Work() {
  if (over()) {
    if (std::exchange(added_, false)) owner_.multi().Remove(easy_.get());
    return;
  }
  if (!paused_ || unconsumed_ > Window() / 2) return;
  paused_ = false;
  last_byte_ = owner_.Now();  // the silence until now was our own doing
  // Gives on what libcurl holds, and may pause again from within.
  const CURLcode code = curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
  if (code != CURLE_OK && !over()) OnDone(code);
  owner_.multi().Collect();
  if (over() && std::exchange(added_, false)) owner_.multi().Remove(easy_.get());
}

void Fetch::CheckSilence() {
  if (!running()) return;
  const Instant now = owner_.Now();
  if (!paused_ && now - last_byte_ >= owner_.options().stall) {
    return Finish(End(Kind::kStalled,
                      fmt::format("nothing came for {}", FormatDuration(owner_.options().stall))));
  }
  if (state_ == State::kAsking && now - opened_ >= owner_.options().head_timeout) {
    Finish(End(Kind::kStalled, "the answer's head does not end"));
  }
}

bool Fetch::TakeHeader(std::string_view line) {
  if (over()) return false;
  last_byte_ = owner_.Now();
  if (!head_.Add(line, SystemClock().WallNow())) {
    Finish(End(Kind::kFailed, "the answer's head is too long, or contradicts itself"));
    return false;
  }
  if (head_.complete() && !answer_) TakeHead();
  return !over();
}

void Fetch::TakeHead() {
  answer_ = Judge(ask_, head_.head());
  const auto* content = std::get_if<Content>(&*answer_);
  if (content == nullptr) return;  // what it is waits for the end of the page
  state_ = State::kReading;
  if (receiver_ != nullptr) receiver_->OnContent(*content);
}

size_t Fetch::TakeBody(ByteView bytes) {
  if (over() || !answer_) return 0;
  if (!std::holds_alternative<Content>(*answer_)) return Discard(bytes.size());
  if (unconsumed_ >= Window()) {
    paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  last_byte_ = owner_.Now();
  Delivered();
  const uint64_t most = limit_.value_or(ask_.max_size);
  const auto size = static_cast<size_t>(std::min<uint64_t>(bytes.size(), most - position_));
  const uint64_t offset = position_;
  position_ += size;
  received_ += size;
  unconsumed_ += size;
  owner_.OnReceived(*this, size);
  // LowerEnd may come from within, and then ends it at what it has now.
  if (receiver_ != nullptr && size > 0) receiver_->OnBytes(offset, bytes.first(size));
  if (over()) return 0;
  if (size == bytes.size() && (!limit_ || position_ < *limit_)) return size;
  if (!limit_ && size < bytes.size()) {
    Finish(End(Kind::kTooLarge, fmt::format("the body does not end within the {} allowed",
                                            FormatSize(ask_.max_size))));
    return 0;
  }
  const auto& body_end = std::get<Content>(*answer_).end;
  if (size == bytes.size() && body_end && *body_end == position_) return size;  // in order
  Finish({});
  return 0;
}

size_t Fetch::Discard(size_t size) {
  last_byte_ = owner_.Now();
  discarded_ += size;
  return discarded_ > kMaxDiscarded ? 0 : size;
}

void Fetch::OnDone(CURLcode code) {
  if (std::exchange(added_, false)) owner_.multi().Remove(easy_.get());
  if (over()) return;
  if (!answer_) return Finish(EndWithoutAnswer(code));
  if (const auto* redirect = std::get_if<Redirect>(&*answer_)) {
    return FollowRedirect(std::string(redirect->location));
  }
  if (const auto* end = std::get_if<FetchEnd>(&*answer_)) {
    // The server is well if it says no in order.
    if (end->kind != Kind::kBusy && end->kind != Kind::kFailed) Delivered();
    return Finish(*end);
  }
  if (code == CURLE_OK) Delivered();  // also an empty body
  Finish(EndOfContent(code));
}

void Fetch::FollowRedirect(const std::string& location) {
  if (const Status status = way_.Follow(location); !status.ok()) {
    Delivered();
    return Finish(End(Kind::kForbidden, Message(status)));
  }
  SendRequest();
}

FetchEnd Fetch::EndOfContent(CURLcode code) const {
  const Content& content = std::get<Content>(*answer_);
  const auto& total = content.entity.size;
  FetchEnd end;
  if ((limit_ && position_ >= *limit_) || (total && position_ == *total)) return end;
  if (code == CURLE_OK && !limit_ && !content.end) {
    end.size = position_;  // the end of the body is all that says where the file ends
    return end;
  }
  end.kind = Kind::kShort;
  end.reason = code == CURLE_OK ? fmt::format("the body ended after {} bytes", received_)
                                : fmt::format("after {} bytes: {}", received_, ErrorText(code));
  return end;
}

FetchEnd Fetch::EndWithoutAnswer(CURLcode code) {
  if (code == CURLE_ABORTED_BY_CALLBACK || (code == CURLE_COULDNT_CONNECT && !new_connection_)) {
    if (!refused_.empty()) {
      ended_by_us_ = true;
      return End(Kind::kForbidden, refused_);
    }
  }
  long error = local_error_;
  if (error == 0 && code == CURLE_COULDNT_CONNECT) {
    curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
  }
  const bool is_ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
                       error == ENETDOWN || error == ENETUNREACH || code == CURLE_OUT_OF_MEMORY;
  if (is_ours) ended_by_us_ = true;
  return End(is_ours ? Kind::kLocalFault : Kind::kFailed,
             code == CURLE_OK ? "the server closed without an answer" : ErrorText(code));
}

std::string Fetch::ErrorText(CURLcode code) const {
  const std::string_view text = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
  return ShortText(EscapeForTerminal(text), kMaxReason);
}

}  // namespace blobd::http
