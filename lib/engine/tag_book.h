// TagBook: sets, moves and deletes tags. Changes happen one after the other, so that what one of
// them checked still holds when it is committed. The registry guards owners and quotas itself.
//
// What a private tag names is hidden before the tag is set, which may take minutes for a list of
// millions. So such a change leaves the queue for that time, and is checked again when it is back:
//
//   queue --> found, checked --> committed --> done
//     ^              `--private, not hidden yet--> hiding, a few at a time, one of each uid --.
//     `----------------------------------------------------------------------------------------'
//
// Thread:    the control loop. `done` is called there, when the change is durable.
// Ownership: all of Deps outlive it, and what it waits for.
// Errors:    kPermissionDenied: somebody else's tag. kFailedPrecondition: it does not stand where
//            the caller said; or a private tag of a hash sequence of which not all is here.
//            kNotFound: no such tag; or a private one of which nothing is here.
//            kResourceExhausted: too many tags of this uid, too many changes at once of this uid or
//            in all, disk full. What was to be private stays as it was after the first of these.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "engine/caller.h"
#include "engine/wants.h"
#include "registry/registry.h"
#include "store/blob_store.h"

namespace blobd::engine {

struct TagChange {
  std::string name;
  std::optional<Kind> kind;  // nullopt: the tag is deleted
  bool is_private = false;
  // What the caller thinks it names now; an inner nullopt: that there is no such tag.
  std::optional<std::optional<Hash>> expected;
};

struct TagChanged {
  registry::TagRow tag;               // as it is now; of a deleted one as it was
  std::optional<Hash> previous_hash;  // nullopt: it is new
};

class TagBook {
 public:
  struct Deps {
    Executor& control;
    const Clock& clock;
    registry::Registry& registry;
    store::BlobStore& store;
    Journal& journal;
    std::function<std::shared_ptr<Executor>()> make_strand;
    size_t tags_per_uid = 10'000;  // as the registry has it
  };
  using Done = UniqueFunction<void(StatusOr<TagChanged>)>;

  explicit TagBook(Deps deps) : deps_(std::move(deps)) {}

  void Change(const Caller& caller, TagChange change, Done done);
  // Notes what changes under way will protect, for a reader of the journal that has just begun.
  void NoteUnderWay();

 private:
  static constexpr size_t kMaxWaiting = 1024;
  static constexpr size_t kMaxWaitingOfUid = 256;
  static constexpr size_t kHidingAtOnce = 2;
  struct Pending {
    Caller caller;
    TagChange change;
    Done done;
    std::optional<registry::TagRow> before;
    registry::TagRow after;
    bool is_hidden = false;  // what it names
  };

  void Next();
  void OnFound(StatusOr<std::optional<registry::TagRow>> found);
  static Status Check(const Pending& pending);
  void CheckQuota();
  void LeaveToHide();
  void HideNext();
  void Hide(const std::shared_ptr<Pending>& pending);
  void OnHidden(const std::shared_ptr<Pending>& pending, const Status& status);
  void Commit();
  void EndFirst(const Status& status);
  void End(Pending& pending, const Status& status);

  const Deps deps_;
  size_t waiting_ = 0;  // all that are not answered
  std::map<uint32_t, size_t> waiting_of_;
  std::deque<std::shared_ptr<Pending>> queue_;   // the first is under way
  std::list<std::shared_ptr<Pending>> to_hide_;  // in the order they came
  std::list<std::shared_ptr<Pending>> hiding_;
};

}  // namespace blobd::engine
