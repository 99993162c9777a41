#include "transfer/claims.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::transfer {

std::unique_ptr<Claims::User> Claims::Join(const Kind& kind, Callbacks callbacks) {
  auto member = std::make_shared<Member>();
  member->kind = kind;
  member->callbacks = std::move(callbacks);
  const MutexLock lock(mutex_);
  ++requests_[kind].users;
  return std::make_unique<User>(shared_from_this(), std::move(member));
}

void Claims::Take(const std::shared_ptr<Member>& member, const Hash& hash, const RangeSet& groups) {
  if (groups.empty()) return;
  auto& claims = blobs_[hash].claims;
  auto mine = std::find_if(claims.begin(), claims.end(),
                           [&](const Claim& claim) { return claim.member == member; });
  if (mine == claims.end()) mine = claims.insert(claims.end(), Claim{member, {}, false});
  mine->groups.InsertAll(groups);
  mine->open = false;
  member->claimed.insert(hash);
}

bool Claims::Give(const std::shared_ptr<Member>& member, const Hash& hash, const RangeSet& groups,
                  bool came, Woken& woken) {
  const auto it = blobs_.find(hash);
  if (it == blobs_.end()) return false;
  Blob& blob = it->second;
  const auto mine = std::find_if(blob.claims.begin(), blob.claims.end(),
                                 [&](const Claim& claim) { return claim.member == member; });
  if (mine == blob.claims.end()) return false;
  const uint64_t before = mine->groups.Count();
  mine->groups.RemoveAll(groups);
  if (mine->groups.Count() == before) return false;
  const bool all_gone = mine->groups.empty();
  if (all_gone) {
    blob.claims.erase(mine);
    member->claimed.erase(hash);
  }
  if (all_gone || !came) TakeWaiting(blob, woken);
  if (blob.claims.empty()) blobs_.erase(it);
  return true;
}

void Claims::TakeWaiting(Blob& blob, Woken& woken) {
  for (auto& waiting : std::exchange(blob.waiting, {})) {
    waiting->waits_for.reset();
    woken.push_back(std::move(waiting));
  }
}

void Claims::Wait(const std::shared_ptr<Member>& member, const Hash& hash) {
  if (member->waits_for == hash) return;
  Forget(*member);
  const auto it = blobs_.find(hash);
  BLOBD_CHECK(it != blobs_.end());  // who saw a claim in this turn waits for it
  it->second.waiting.push_back(member);
  member->waits_for = hash;
}

void Claims::Forget(const Member& member) {
  if (!member.waits_for) return;
  const auto it = blobs_.find(*member.waits_for);
  if (it == blobs_.end()) return;
  std::erase_if(it->second.waiting, [&](const auto& other) { return other.get() == &member; });
}

void Claims::Wake(const Woken& woken) {
  for (const auto& member : woken) member->callbacks.freed();
}

// ---- Claims::User ----

Claims::User::User(std::shared_ptr<Claims> claims, std::shared_ptr<Member> member)
    : claims_(std::move(claims)), member_(std::move(member)) {}

Claims::User::~User() {
  Woken woken;
  {
    const MutexLock lock(claims_->mutex_);
    claims_->Forget(*member_);
    while (!member_->claimed.empty()) {
      const Hash hash = *member_->claimed.begin();
      claims_->Give(member_, hash, RangeSet::All(), false, woken);
    }
    const auto it = claims_->requests_.find(member_->kind);
    if (--it->second.users == 0) claims_->requests_.erase(it);
  }
  Wake(woken);
}

uint64_t Claims::User::News() const {
  const MutexLock lock(claims_->mutex_);
  return claims_->got_ - claims_->requests_.at(member_->kind).got;
}

void Claims::User::Got(const Hash& hash, const RangeSet& groups) {
  Woken woken;
  {
    const MutexLock lock(claims_->mutex_);
    if (!claims_->Give(member_, hash, groups, true, woken)) return;
    ++claims_->got_;
    ++claims_->requests_.at(member_->kind).got;
  }
  Wake(woken);
}

void Claims::User::Release(const Hash& hash, const RangeSet& groups) {
  Woken woken;
  {
    const MutexLock lock(claims_->mutex_);
    claims_->Give(member_, hash, groups, false, woken);
  }
  Wake(woken);
}

void Claims::User::LeaveOpen(const Hash& hash) {
  Woken woken;
  {
    const MutexLock lock(claims_->mutex_);
    const auto it = claims_->blobs_.find(hash);
    if (it == claims_->blobs_.end()) return;
    for (Claim& claim : it->second.claims) {
      if (claim.member == member_) claim.open = true;
    }
    TakeWaiting(it->second, woken);
  }
  Wake(woken);
}

void Claims::User::Hurry(const Hash& hash) {
  Woken claiming;
  {
    const MutexLock lock(claims_->mutex_);
    const auto it = claims_->blobs_.find(hash);
    if (it == claims_->blobs_.end()) return;
    for (const Claim& claim : it->second.claims) {
      if (claim.member->kind != member_->kind) claiming.push_back(claim.member);
    }
  }
  for (const auto& member : claiming) member->callbacks.hurried(hash);
}

// ---- Claims::Turn ----

RangeSet Claims::Turn::Others(const Hash& hash) const {
  RangeSet groups;
  const Claims& claims = *user_.claims_;
  const auto it = claims.blobs_.find(hash);
  if (it == claims.blobs_.end()) return groups;
  for (const Claim& claim : it->second.claims) {
    if (!claim.open && claim.member->kind != user_.member_->kind) groups.InsertAll(claim.groups);
  }
  return groups;
}

void Claims::Turn::Take(const Hash& hash, const RangeSet& groups) {
  user_.claims_->Take(user_.member_, hash, groups);
}

bool Claims::Turn::WaitFor(const Hash& hash) {
  if (Others(hash).empty()) return false;
  user_.claims_->Wait(user_.member_, hash);
  return true;
}

}  // namespace blobd::transfer
