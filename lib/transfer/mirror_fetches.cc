#include "transfer/mirror_fetches.h"

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "store/blob_store.h"

namespace blobd::transfer {
namespace {

using store::kGroupSize;

// So many bytes go to the strand at once: enough that hashing and writing them costs more than the
// hand-over, few enough that several workers share the work.
constexpr size_t kBatch = 512 * kKiB;

}  // namespace

// One fetch, and what of it has not been handed over.
class MirrorFetches::Fetch final : public http::FetchReceiver {
 public:
  Fetch(MirrorFetches& owner, uint64_t number) : owner_(owner), number_(number) {}

  void OnOpened() override {
    if (!owner_.receiver_->hears_of_openings()) return;
    owner_.Tell([number = number_](MirrorReceiver& get) { get.OnOpened(number); });
  }
  void OnContent(const http::Content& content) override {
    owner_.Tell(
        [number = number_, content](MirrorReceiver& get) { get.OnContent(number, content); });
  }
  void OnBytes(uint64_t offset, ByteView bytes) override {
    if (batch_.empty()) {
      offset_ = offset;
      batch_.reserve(std::max(kBatch, bytes.size()));
    }
    batch_.insert(batch_.end(), bytes.begin(), bytes.end());
    if (batch_.size() < kBatch) return owner_.WantFlush();
    HandOver(false);
    owner_.HandOver();
  }
  void OnEnd(const http::FetchEnd& end) override {
    HandOver(true);
    owner_.Tell([number = number_, end](MirrorReceiver& get) { get.OnFetchEnd(number, end); });
    owner_.Retire(number_);
  }

  // Groups that are whole, or all there is.
  void HandOver(bool all) {
    const size_t size = all ? batch_.size() : batch_.size() / kGroupSize * kGroupSize;
    if (size == 0) return;
    Bytes rest;
    if (size < batch_.size()) {
      rest.assign(batch_.begin() + static_cast<ptrdiff_t>(size), batch_.end());
      batch_.resize(size);
    }
    // A trickle must not hold the room of a batch per group.
    if (batch_.capacity() > 2 * batch_.size()) batch_.shrink_to_fit();
    owner_.Tell([number = number_, offset = offset_,
                 bytes = std::exchange(batch_, std::move(rest))](MirrorReceiver& get) mutable {
      get.OnBytes(number, offset, std::move(bytes));
    });
    offset_ += size;
  }

  // What was wished of it, also while it waits for the bandwidth and has no id.
  bool hurries = false;
  uint64_t most = UINT64_MAX;  // where it is to end
  http::FetchId id;

 private:
  MirrorFetches& owner_;
  const uint64_t number_;
  uint64_t offset_ = 0;  // of the batch; that of a group
  Bytes batch_;
};

MirrorFetches::MirrorFetches(http::Client& client, loop::Loop& loop,
                             std::shared_ptr<Executor> strand,
                             std::shared_ptr<MirrorReceiver> receiver, http::Url url, Rate rate)
    : client_(client),
      loop_(loop),
      strand_(std::move(strand)),
      receiver_(std::move(receiver)),
      url_(std::move(url)),
      rate_(rate) {}

MirrorFetches::~MirrorFetches() {
  *alive_ = false;
  for (const auto& [number, fetch] : fetches_) client_.Stop(fetch->id);
}

void MirrorFetches::Open(uint64_t number, const http::Ask& ask, std::optional<uint64_t> remaining) {
  Start(number, url_, ask, remaining);
}

void MirrorFetches::OpenSidecar(uint64_t number, uint64_t size) {
  const StatusOr<http::Url> url = url_.WithPathSuffix(".obao4");
  if (!url.ok()) {
    http::FetchEnd end;
    end.kind = http::FetchEnd::Kind::kNotHere;
    return Tell([number, end](MirrorReceiver& get) { get.OnFetchEnd(number, end); });
  }
  http::Ask ask;
  ask.entity.emplace();  // all of it, in one piece
  ask.size = size;
  ask.max_size = size;
  Start(number, *url, ask, std::nullopt);
}

void MirrorFetches::Start(uint64_t number, const http::Url& url, const http::Ask& ask,
                          std::optional<uint64_t> remaining) {
  fetches_[number] = std::make_unique<Fetch>(*this, number);
  auto begin = [this, number, url, ask, remaining] {
    const auto it = fetches_.find(number);
    if (it == fetches_.end()) return;
    Fetch& fetch = *it->second;
    http::FetchOptions options;
    if (!fetch.hurries) options.remaining = remaining;
    fetch.id = client_.Start(url, ask, options, &fetch);
    if (fetch.most != UINT64_MAX) (void)client_.LowerEnd(fetch.id, fetch.most);
  };
  if (!IsLimited()) return begin();
  rate_.throttle->Ask(rate_.owner, 1, [alive = alive_, begin = std::move(begin)](uint64_t) mutable {
    if (*alive) begin();
  });
}

void MirrorFetches::Consumed(uint64_t number, uint64_t bytes) {
  if (!IsLimited() || bytes == 0) return GiveBack(number, bytes);
  rate_.throttle->Ask(rate_.owner, bytes, [this, alive = alive_, number](uint64_t granted) {
    if (*alive) GiveBack(number, granted);
  });
}

void MirrorFetches::GiveBack(uint64_t number, uint64_t bytes) {
  if (const auto it = fetches_.find(number); it != fetches_.end())
    client_.Consumed(it->second->id, bytes);
}

void MirrorFetches::LowerEnd(uint64_t number, uint64_t end) {
  const auto it = fetches_.find(number);
  if (it == fetches_.end()) return;
  it->second->most = std::min(it->second->most, end);
  (void)client_.LowerEnd(it->second->id, end);
}

void MirrorFetches::Hurry(uint64_t number) {
  const auto it = fetches_.find(number);
  if (it == fetches_.end()) return;
  it->second->hurries = true;
  client_.Hurry(it->second->id);
}

void MirrorFetches::Stop(uint64_t number) {
  const auto it = fetches_.find(number);
  if (it == fetches_.end()) return;
  client_.Stop(it->second->id);
  fetches_.erase(it);
}

void MirrorFetches::Tell(UniqueFunction<void(MirrorReceiver&)> what) {
  told_.push_back(std::move(what));
  WantFlush();
}

void MirrorFetches::HandOver() {
  if (told_.empty()) return;
  strand_->Post([receiver = receiver_, told = std::exchange(told_, {})]() mutable {
    for (auto& what : told) what(*receiver);
  });
}

void MirrorFetches::WantFlush() {
  if (std::exchange(flush_wanted_, true)) return;
  loop_.AtTurnEnd([this, alive = alive_] {
    if (*alive) Flush();
  });
}

void MirrorFetches::Flush() {
  for (const auto& [number, fetch] : fetches_) fetch->HandOver(false);
  flush_wanted_ = false;
  HandOver();
}

void MirrorFetches::Retire(uint64_t number) {
  loop_.AtTurnEnd([this, alive = alive_, number] {
    if (*alive) fetches_.erase(number);
  });
}

}  // namespace blobd::transfer
