#include "engine/tag_book.h"

#include <utility>

#include "engine/privacy.h"
#include "transfer/inventory.h"

namespace blobd::engine {

void TagBook::Change(const Caller& caller, TagChange change, Done done) {
  if (pending_.size() >= kMaxWaiting) {
    return done(ResourceExhausted("{} changes of tags are waiting; try again soon", kMaxWaiting));
  }
  pending_.push_back({caller, std::move(change), std::move(done), {}, {}});
  if (pending_.size() == 1) Next();
}

void TagBook::Next() {
  if (pending_.empty()) return;
  deps_.registry.FindTag(
      pending_.front().change.name,
      [this](StatusOr<std::optional<registry::TagRow>> found) { OnFound(std::move(found)); });
}

void TagBook::OnFound(StatusOr<std::optional<registry::TagRow>> found) {
  if (!found.ok()) return EndFirst(found.status());
  Pending& pending = pending_.front();
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
  row.is_private ? HideThenCommit() : Commit();
}

Status TagBook::Check(const Pending& pending) {
  const TagChange& change = pending.change;
  const auto& before = pending.before;
  if (!before && !change.kind) return NotFound("there is no tag \"{}\"", change.name);
  if (before && !pending.caller.is_admin() && before->owner_uid != pending.caller.uid) {
    return PermissionDenied("tag \"{}\" belongs to uid {}", change.name, before->owner_uid);
  }
  if (!change.expected) return OkStatus();
  const std::optional<Hash>& expected = *change.expected;
  if (expected && !before) {
    return FailedPrecondition("there is no tag \"{}\", and you expect one", change.name);
  }
  if (before && expected != before->kind.hash) {
    return FailedPrecondition("tag \"{}\" names {} now", change.name, before->kind.hash.ToHex());
  }
  return OkStatus();
}

// A private tag must not name what is still served: everything it names is here and private first.
void TagBook::HideThenCommit() {
  const Kind kind = pending_.front().after.kind;
  auto strand = deps_.make_strand();
  const auto answer = [this](const Status& status) {
    deps_.control.Post([this, status] { status.ok() ? Commit() : EndFirst(status); });
  };
  transfer::TakeInventory(
      deps_.store, strand, kind,
      [&store = deps_.store, strand, kind, answer](const StatusOr<transfer::Inventory>& inventory) {
        if (!inventory.ok()) return answer(inventory.status());
        if (inventory->root.state == store::BlobState::kAbsent) {
          return answer(NotFound("nothing of {} is here; get it before you tag it in private",
                                 kind.hash.ToHex()));
        }
        if (!inventory->complete()) {
          return answer(FailedPrecondition(
              "not all of {} is here, so not all of it can be made private; get it first",
              kind.hash.ToHex()));
        }
        SetPrivate(store, strand, kind, true,
                   [answer](const StatusOr<uint64_t>& changed) { answer(changed.status()); });
      });
}

void TagBook::Commit() {
  const Pending& pending = pending_.front();
  std::vector<registry::Change> changes;
  if (pending.change.kind) {
    changes.emplace_back(registry::PutTag{pending.after, pending.caller.is_admin()});
  } else {
    changes.emplace_back(registry::DropTag{pending.change.name, std::nullopt});
  }
  deps_.registry.Commit(std::move(changes), [this](const Status& status) { EndFirst(status); });
}

void TagBook::NoteUnderWay() {
  if (!pending_.empty() && pending_.front().change.kind) {
    deps_.journal.Note(*pending_.front().change.kind);
  }
}

void TagBook::EndFirst(const Status& status) {
  Pending pending = std::move(pending_.front());
  pending_.pop_front();
  if (status.ok()) {
    // Again, for whoever began to plan in between and did not find it in the registry.
    if (pending.change.kind) deps_.journal.Note(*pending.change.kind);
    TagChanged changed{std::move(pending.after), {}};
    if (pending.before) changed.previous_hash = pending.before->kind.hash;
    pending.done(std::move(changed));
  } else {
    pending.done(status);
  }
  Next();
}

}  // namespace blobd::engine
