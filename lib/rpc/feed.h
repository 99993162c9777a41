// Feed: tells many readers what there is and then what changes: Remotes.Watch and
// Downloads.WatchTransfers.
//
//   snapshot, page by page as the reader takes them --> changes, as they come
//   resumed: what changed since then -----------------------'
//
// What is told of one thing in a round is made and encoded once, for all readers. A message is made
// when the one before it has gone out, of what is so then; what a reader was not told yet costs it
// nothing but its place in the log of changes. One that has not taken a message for seconds while
// too much waits for it is ended with kResourceExhausted, and may come back. Many changes at once
// end nobody who reads: who cannot be told any more what changed begins anew.
//
// Source says what it is about:
//   Id, Item        one thing, and what is told of it; Item::bytes is null if it is not known
//   Filter          what of it one reader wants; `ids` is not empty if it names them, in order
//   Response        the message, whose first field has the things
//   watch()         which of them changed
//   Refresh(done)   before each round
//   After(filter, after, limit)       the ids of a page of the snapshot
//   Make(id)                          the item as it is now
//   FateOf(filter, id, item, phase)   what the reader is told of it
//   Judge(caller, ids, items, done)   true: it is known what the caller may learn; else `done`
//   comes BytesFor(caller, filter, id, item)  null: nothing AddGone(id, response) Enter(caller),
//   Leave(caller)      once for each reader
//
// Thread:    the control loop.
// Ownership: shared by its service, its readers and the engine; what the source uses outlives them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error_reason.h"
#include "base/status.h"
#include "base/task.h"
#include "engine/caller.h"
#include "engine/change_watch.h"
#include "rpc/feed_call.h"
#include "rpc/feed_token.h"

namespace blobd::rpc {

enum class FeedPhase { kSnapshot, kCatchingUp, kFollowing };
// kLast: it is shown as it is, and that it will not be any more.
enum class FeedFate { kNothing, kShown, kGone, kLast };

struct FeedBounds {
  static constexpr size_t kPerMessage = 250;
  static constexpr size_t kMostBytes = 1 << 20;  // of a message; what is beyond is in the next
  static constexpr size_t kMostWaiting = 4096;
  static constexpr int kPatience = 8;         // rounds
  static constexpr size_t kMostItems = 4096;  // kept until the next round
};

template <typename Source>
class Feed final : public engine::ChangeWatcher, public std::enable_shared_from_this<Feed<Source>> {
 public:
  using Id = typename Source::Id;
  using Filter = typename Source::Filter;

  // `life`: see FeedToken.
  Feed(uint64_t life, Source source) : life_(life), source_(std::move(source)) {}

  uint64_t life() const { return life_; }

  // `filter_number`: for tokens. Any thread.
  std::shared_ptr<FeedReader> MakeReader(const engine::Caller& caller, Filter filter,
                                         uint64_t filter_number, std::optional<FeedToken> from) {
    return std::make_shared<Reader>(this->shared_from_this(), caller, std::move(filter),
                                    filter_number, from);
  }

  // engine::ChangeWatcher
  void OnRound() override {
    items_.clear();
    Refresh([this] {
      const auto readers = readers_;  // one may leave while it is told
      for (const auto& reader : readers) {
        if (reader->sending) ++reader->rounds;
        Turn(reader);
      }
    });
  }

 private:
  class Reader final : public FeedReader, public std::enable_shared_from_this<Reader> {
   public:
    Reader(std::weak_ptr<Feed> feed, const engine::Caller& whose, Filter wanted, uint64_t number,
           std::optional<FeedToken> resumed)
        : caller(whose),
          filter(std::move(wanted)),
          filter_number(number),
          from(resumed),
          feed_(std::move(feed)) {}
    void Start() override {
      if (const auto feed = feed_.lock()) feed->Begin(this->shared_from_this());
    }
    void Stop() override {
      if (const auto feed = feed_.lock()) feed->End(this->shared_from_this());
    }
    void OnSent() override {
      sending = false;
      rounds = 0;
      if (const auto feed = feed_.lock()) feed->OnSent(this->shared_from_this());
    }
    void Send(std::vector<SharedBytes> message) {
      sending = true;
      rounds = 0;
      this->WithCall([&](FeedCall& call) { call.Send(std::move(message)); });
    }
    void EndCall(const Status& status) {
      this->WithCall([&](FeedCall& call) { call.EndFeed(status); });
    }

    const engine::Caller caller;
    const Filter filter;
    const uint64_t filter_number;
    const std::optional<FeedToken> from;
    FeedPhase phase = FeedPhase::kSnapshot;
    bool placed = false;  // it is known where it begins
    bool ended = false;
    bool sending = false;         // the call has not taken the last message
    int rounds = 0;               // that went by meanwhile
    bool judging = false;         // it is being asked what the caller may learn
    bool from_beginning = false;  // the next message says so
    uint64_t told = 0;            // all changes up to this one
    uint64_t counted = 0;         // when it was last counted how much waits for it
    std::optional<Id> shown;      // the last one of the snapshot, until then

   private:
    const std::weak_ptr<Feed> feed_;
  };
  using ReaderPtr = std::shared_ptr<Reader>;

  struct Entry {
    uint64_t number = 0;  // of the change that it shows
    typename Source::Item item;
  };
  // What one message tells.
  struct Batch {
    std::vector<std::pair<Id, FeedFate>> things;
    size_t bytes = 0;
    uint64_t told = 0;        // when it has gone out
    std::optional<Id> shown;  // likewise
    bool is_last = true;      // with it everything is told
    bool full() const {
      return things.size() >= FeedBounds::kPerMessage || bytes >= FeedBounds::kMostBytes;
    }
  };

  const engine::ChangeLog<Id>& log() { return source_.watch().log(); }

  void Begin(const ReaderPtr& reader) {
    if (reader->ended) return;
    readers_.push_back(reader);
    source_.Enter(reader->caller);
    if (readers_.size() == 1) source_.watch().Add(this->shared_from_this());
    Refresh([this, reader] {
      if (reader->ended) return;
      Place(*reader);
      Turn(reader);
    });
  }

  void End(const ReaderPtr& reader) {
    if (std::exchange(reader->ended, true)) return;
    if (std::erase(readers_, reader) == 0) return;  // it never began
    source_.Leave(reader->caller);
    if (!readers_.empty()) return;
    source_.watch().Remove(this->shared_from_this());
    items_.clear();
  }

  void Refresh(UniqueFunction<void()> then) {
    refreshed_.push_back(std::move(then));
    if (std::exchange(refreshing_, true)) return;
    source_.Refresh([self = this->shared_from_this()] {
      self->refreshing_ = false;
      for (auto& each : std::exchange(self->refreshed_, {})) each();
    });
  }

  void Place(Reader& reader) {
    reader.placed = true;
    const std::optional<FeedToken>& from = reader.from;
    if (from && from->life == life_ && log().Reaches(from->number)) {
      reader.phase = FeedPhase::kCatchingUp;
      reader.told = from->number;
    } else {
      BeginAnew(reader);
    }
  }

  void BeginAnew(Reader& reader) {
    reader.phase = FeedPhase::kSnapshot;
    reader.from_beginning = true;
    reader.shown.reset();
    reader.told = log().latest();
  }

  // Changes have their own rhythm, unless there are many.
  void OnSent(const ReaderPtr& reader) {
    const bool more = reader->phase != FeedPhase::kFollowing ||
                      log().HasMoreThan(FeedBounds::kPerMessage, reader->told);
    if (more) Turn(reader);
  }

  // Sends what there is to be told, if the reader is ready for it.
  void Turn(const ReaderPtr& reader) {
    if (reader->ended || !reader->placed || reader->judging) return;
    if (reader->sending) {
      if (reader->rounds < FeedBounds::kPatience || !MuchWaitsFor(*reader)) return;
      End(reader);
      return reader->EndCall(ErrorFor(
          Reason::kSlowReader,
          "the reader is too slow: more than {} things changed while it took nothing; come back "
          "with the last resume_token",
          FeedBounds::kMostWaiting));
    }
    if (items_.size() > FeedBounds::kMostItems) items_.clear();
    if (!log().Reaches(reader->told)) BeginAnew(*reader);
    Batch batch = reader->phase == FeedPhase::kSnapshot ? NextPage(*reader) : NextChanges(*reader);
    reader->judging = true;
    if (!Judge(reader, batch)) return;
    reader->judging = false;
    Tell(*reader, std::move(batch));
  }

  bool MuchWaitsFor(Reader& reader) {
    const bool is_few = !reader.filter.ids.empty();
    if (is_few) return false;
    if (!log().Reaches(reader.told)) return true;
    if (!log().HasMoreThan(FeedBounds::kMostWaiting, reader.told)) return false;
    // Counting takes time in proportion to what waits: not anew for every few changes.
    if (log().latest() < reader.counted + FeedBounds::kMostWaiting / 4) return false;
    reader.counted = log().latest();
    size_t waiting = 0;
    log().ForEachAfter(reader.told, [&](const Id& id, uint64_t) {
      const FeedFate fate = source_.FateOf(reader.filter, id, ItemOf(id), reader.phase);
      if (fate != FeedFate::kNothing) ++waiting;
      return waiting <= FeedBounds::kMostWaiting;
    });
    items_.clear();
    return waiting > FeedBounds::kMostWaiting;
  }

  const typename Source::Item& ItemOf(const Id& id) {
    const uint64_t number = log().NumberOf(id);
    const auto [it, is_new] = items_.try_emplace(id);
    if (is_new || it->second.number != number) it->second = {number, source_.Make(id)};
    return it->second.item;
  }

  // True: nothing more fits into the message.
  bool Add(const Reader& reader, const Id& id, Batch& batch) {
    const auto& item = ItemOf(id);
    const FeedFate fate = source_.FateOf(reader.filter, id, item, reader.phase);
    if (fate == FeedFate::kNothing) return false;
    batch.things.emplace_back(id, fate);
    if (item.bytes != nullptr) batch.bytes += item.bytes->size();
    return batch.full();
  }

  Batch NextPage(const Reader& reader) {
    Batch batch;
    batch.told = reader.told;
    batch.shown = reader.shown;
    for (;;) {
      const auto ids = source_.After(reader.filter, batch.shown, FeedBounds::kPerMessage);
      for (const Id& id : ids) {
        batch.shown = id;
        batch.is_last = false;
        if (Add(reader, id, batch)) return batch;
      }
      batch.is_last = ids.size() < FeedBounds::kPerMessage;
      if (batch.is_last) return batch;
    }
  }

  Batch NextChanges(const Reader& reader) {
    Batch batch;
    batch.told = log().latest();
    if (reader.told == batch.told) return batch;
    const auto add = [&](const Id& id, uint64_t number) {
      if (!Add(reader, id, batch)) return true;
      batch.is_last = number == log().latest();
      batch.told = number;
      return false;
    };
    if (reader.filter.ids.empty()) {
      log().ForEachAfter(reader.told, add);
      return batch;
    }
    std::vector<std::pair<uint64_t, Id>> changed;
    for (const Id& id : reader.filter.ids) {
      const uint64_t number = log().NumberOf(id);
      if (number > reader.told) changed.emplace_back(number, id);
    }
    std::sort(changed.begin(), changed.end());
    for (const auto& [number, id] : changed) {
      if (!add(id, number)) break;
    }
    return batch;
  }

  // False: Turn is called again when it is known.
  bool Judge(const ReaderPtr& reader, const Batch& batch) {
    std::vector<std::pair<Id, const typename Source::Item*>> shown;
    for (const auto& [id, fate] : batch.things) {
      const typename Source::Item& item = ItemOf(id);
      if (item.bytes != nullptr) shown.emplace_back(id, &item);
    }
    return source_.Judge(reader->caller, shown, [feed = this->weak_from_this(), reader] {
      reader->judging = false;
      if (const auto self = feed.lock()) self->Turn(reader);
    });
  }

  void Tell(Reader& reader, Batch batch) {
    std::sort(batch.things.begin(), batch.things.end());
    std::vector<SharedBytes> message;
    typename Source::Response rest;
    for (const auto& [id, fate] : batch.things) {
      const typename Source::Item& item = ItemOf(id);
      if (item.bytes != nullptr) {
        auto bytes = source_.BytesFor(reader.caller, reader.filter, id, item);
        // Nor that it is gone: it was never there for this caller.
        if (bytes == nullptr) continue;
        if (fate != FeedFate::kGone) message.push_back(std::move(bytes));
      }
      if (fate != FeedFate::kShown) source_.AddGone(id, &rest);
    }
    const bool is_news = !message.empty() || rest.ByteSizeLong() > 0;
    const bool must_tell = reader.phase != FeedPhase::kFollowing;
    reader.told = batch.told;
    reader.shown = batch.shown;
    if (!is_news && !must_tell) return;
    if (batch.is_last) reader.phase = FeedPhase::kFollowing;
    if (reader.phase == FeedPhase::kFollowing) {
      rest.set_current(true);
      rest.set_resume_token(FeedToken{life_, reader.told, reader.filter_number}.ToText());
    }
    rest.set_from_beginning(std::exchange(reader.from_beginning, false));
    message.push_back(std::make_shared<const std::string>(rest.SerializeAsString()));
    reader.Send(std::move(message));
  }

  const uint64_t life_;
  Source source_;
  std::vector<ReaderPtr> readers_;
  std::map<Id, Entry> items_;
  bool refreshing_ = false;
  std::vector<UniqueFunction<void()>> refreshed_;  // what waits for that
};

}  // namespace blobd::rpc
