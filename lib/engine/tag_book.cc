#include "engine/tag_book.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error_reason.h"
#include "engine/privacy.h"
#include "transfer/inventory.h"

namespace blobd::engine {

void TagBook::Change(const Caller& caller, TagChange change, Done done) {
  const auto it = waiting_of_.find(caller.uid);
  const size_t own = it == waiting_of_.end() ? 0 : it->second;
  if (waiting_ >= kMaxWaiting || own >= kMaxWaitingOfUid) {
    return done(ErrorFor(Reason::kTooManyCalls,
                         "{} changes of tags are waiting, {} of uid {}; try again soon", waiting_,
                         own, caller.uid));
  }
  ++waiting_;
  ++waiting_of_[caller.uid];
  queue_.push_back(std::make_shared<Pending>(
      Pending{caller, std::move(change), std::move(done), {}, {}, false}));
  if (queue_.size() == 1) Next();
}

void TagBook::Next() {
  if (queue_.empty()) return;
  deps_.registry.FindTag(
      queue_.front()->change.name,
      [this](StatusOr<std::optional<registry::TagRow>> found) { OnFound(std::move(found)); });
}

void TagBook::OnFound(StatusOr<std::optional<registry::TagRow>> found) {
  if (!found.ok()) return EndFirst(found.status());
  Pending& pending = *queue_.front();
  pending.before = *std::move(found);
  if (const Status status = Check(pending); !status.ok()) return EndFirst(status);
  const TagChange& change = pending.change;
  if (!change.kind) {
    pending.after = *pending.before;
    return Commit();
  }
  // Protected from now on: what is here when the change is asked for is here when it is answered.
  deps_.journal.Note(*change.kind);
  registry::TagRow& row = pending.after;
  row.name = change.name;
  row.kind = *change.kind;
  row.owner_uid = pending.before ? pending.before->owner_uid : pending.caller.uid;
  row.is_private = change.is_private || (pending.before && pending.before->is_private);
  row.changed = deps_.clock.WallNow();
  row.created = pending.before ? pending.before->created : row.changed;
  if (!row.is_private || pending.is_hidden) return Commit();
  pending.before ? LeaveToHide() : CheckQuota();
}

// The registry would refuse it in the end, but what is hidden by then only root can publish again.
void TagBook::CheckQuota() {
  registry::TagFilter own;
  own.owner_uid = queue_.front()->after.owner_uid;
  deps_.registry.ListTags(
      own, "", deps_.tags_per_uid,
      [this, uid = *own.owner_uid](const StatusOr<std::vector<registry::TagRow>>& rows) {
        if (!rows.ok()) return EndFirst(rows.status());
        if (rows->size() >= deps_.tags_per_uid) {
          return EndFirst(ErrorFor(Reason::kTagQuota, "uid {} has {} tags already: delete some",
                                   uid, rows->size()));
        }
        LeaveToHide();
      });
}

void TagBook::LeaveToHide() {
  to_hide_.push_back(std::move(queue_.front()));
  queue_.pop_front();
  HideNext();
  Next();
}

void TagBook::HideNext() {
  for (auto it = to_hide_.begin(); it != to_hide_.end() && hiding_.size() < kHidingAtOnce;) {
    const bool has_turn = std::any_of(hiding_.begin(), hiding_.end(), [&](const auto& other) {
      return other->caller.uid == (*it)->caller.uid;
    });
    const auto next = std::next(it);
    if (!has_turn) {
      hiding_.splice(hiding_.end(), to_hide_, it);
      Hide(hiding_.back());
    }
    it = next;
  }
}

Status TagBook::Check(const Pending& pending) {
  const TagChange& change = pending.change;
  const auto& before = pending.before;
  if (!before && !change.kind)
    return ErrorFor(Reason::kUnknownTag, "there is no tag \"{}\"", change.name);
  if (before && !pending.caller.is_admin() && before->owner_uid != pending.caller.uid) {
    return ErrorFor(Reason::kNotOwner, "tag \"{}\" belongs to uid {}", change.name,
                    before->owner_uid);
  }
  if (!change.expected) return OkStatus();
  const std::optional<Hash>& expected = *change.expected;
  if (expected && !before) {
    return ErrorFor(Reason::kTagMoved, "there is no tag \"{}\", and you expect one", change.name);
  }
  if (before && expected != before->kind.hash) {
    return ErrorFor(Reason::kTagMoved, "tag \"{}\" names {} now", change.name,
                    before->kind.hash.ToHex());
  }
  return OkStatus();
}

// A private tag must not name what is still served: everything it names is here and private first.
void TagBook::Hide(const std::shared_ptr<Pending>& pending) {
  const Kind kind = pending->after.kind;
  auto strand = deps_.make_strand();
  const auto answer = [this, pending](const Status& status) {
    deps_.control.Post([this, pending, status] { OnHidden(pending, status); });
  };
  transfer::TakeInventory(
      deps_.store, strand, kind,
      [&store = deps_.store, strand, kind, answer](const StatusOr<transfer::Inventory>& inventory) {
        if (!inventory.ok()) return answer(inventory.status());
        if (inventory->root.state == store::BlobState::kAbsent) {
          return answer(ErrorFor(Reason::kUnknownBlob,
                                 "nothing of {} is here; get it before you tag it in private",
                                 kind.hash.ToHex()));
        }
        if (!inventory->complete()) {
          return answer(
              ErrorFor(Reason::kBlobIncomplete,
                       "not all of {} is here, so not all of it can be made private; get it first",
                       kind.hash.ToHex()));
        }
        SetPrivate(store, strand, kind, true,
                   [answer](const StatusOr<uint64_t>& changed) { answer(changed.status()); });
      });
}

void TagBook::OnHidden(const std::shared_ptr<Pending>& pending, const Status& status) {
  hiding_.remove(pending);
  if (status.ok()) {
    pending->is_hidden = true;
    queue_.push_back(pending);
    if (queue_.size() == 1) Next();
  } else {
    End(*pending, status);
  }
  HideNext();
}

void TagBook::Commit() {
  const Pending& pending = *queue_.front();
  std::vector<registry::Change> changes;
  if (pending.change.kind) {
    changes.emplace_back(registry::PutTag{pending.after, pending.caller.is_admin()});
  } else {
    changes.emplace_back(registry::DropTag{pending.change.name, std::nullopt});
  }
  deps_.registry.Commit(std::move(changes), [this](const Status& status) { EndFirst(status); });
}

void TagBook::NoteUnderWay() {
  for (const auto& pending : queue_) {
    const bool is_under_way = pending == queue_.front() || pending->is_hidden;
    if (is_under_way && pending->change.kind) deps_.journal.Note(*pending->change.kind);
  }
  for (const auto* list : {&to_hide_, &hiding_}) {
    for (const auto& pending : *list) deps_.journal.Note(*pending->change.kind);
  }
}

void TagBook::EndFirst(const Status& status) {
  const std::shared_ptr<Pending> pending = std::move(queue_.front());
  queue_.pop_front();
  Next();
  End(*pending, status);
}

void TagBook::End(Pending& pending, const Status& status) {
  --waiting_;
  const auto own = waiting_of_.find(pending.caller.uid);
  if (--own->second == 0) waiting_of_.erase(own);
  if (!status.ok()) return pending.done(status);
  // Again, for whoever began to plan in between and did not find it in the registry.
  if (pending.change.kind) deps_.journal.Note(*pending.change.kind);
  TagChanged changed{std::move(pending.after), {}};
  if (pending.before) changed.previous_hash = pending.before->kind.hash;
  pending.done(std::move(changed));
}

}  // namespace blobd::engine
