// Unproven: bytes of a blob that came without proof, from mirrors that know nothing of hashes
// (design/mirrors.md, "Verification of bytes that came without proof"). It is told the value of
// every chunk group that arrives and who sent it, and pairs of the tree as they become known from
// anybody; it finds out what is verified, what is to be thrown away, and whose fault that is.
//
// - A subtree with a proven value (proven_values.h) is compared as soon as all of it is there.
// - Where one source sent all that does not fit, it is blamed. Where several did, it is unclear:
//   whoever can learn more pairs (from a node, or a sidecar) tells them, and the smaller subtrees
//   say who it was; otherwise Compare asks one source after the other for what others sent, so
//   that the subtree is of one source alone: either that fits, and every other value is wrong, or
//   that source is. At most everything is fetched once more from each source.
// - Blame is proven only against a hash chain that exists: a mismatch with the root alone may be
//   the fault of who named the hash, and one while the size is a claim may be that of who claimed
//   it. It becomes proven when the blob verifies in the end.
//
// One Unproven is for one claimed size. Sources that claim another one are for another Unproven.
//
// Thread: one owner (a worker's strand). Pure: values in, findings out.
// Memory: 8 KiB for the largest claim; 64 bytes per block, for 64 of them when something of one has
//         come; 36 bytes per group for blocks of which part has come, which are those where a
//         transfer is, or ended. What is remembered for blame is bounded by kMaxRemembered; beyond
//         it, somebody goes unblamed, and nobody is blamed wrongly.
// Units:  chunk groups and blocks.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include "bao/path_pair.h"
#include "bao/proven_values.h"
#include "base/hash.h"
#include "base/range_set.h"

namespace blobd::bao {

// A mirror of this blob, as the owner numbers them; never 0.
using SourceId = uint32_t;

// Pairs of the tree. Those of a block are told when it is whole, and are right if it is verified
// later, as it was told last: before, they must not be written where proven ones may stand. All
// others are proven, and told before what is verified by them.
struct Pairs {
  std::vector<PathPair> pairs;
  Range block = {};  // its groups; empty: they are proven
};
// These groups are right. They may be claimed, with the pairs above them.
struct Verified {
  Range groups;
};
// These unverified groups are not to be used, and are missing again.
struct Discard {
  Range groups;
};
// The source sent something wrong. `proven`: against a hash chain that exists.
struct Blame {
  SourceId source = 0;
  bool proven = false;
};
// Several sources sent these groups, and together they do not fit. `cuts` are the groups at which
// one source's ends and another's begins: pairs around them tell who it was.
// Answer with OnPair, or with Compare.
struct Unclear {
  Range groups;
  std::vector<uint64_t> cuts;
};
// These groups are wanted from this source, though they are there; what others send of them
// meanwhile is not taken. Answer with OnGroups, or with OnSourceGone. Those among them that are
// verified one by one are told again (OnVerified).
struct FetchAgain {
  SourceId source = 0;
  RangeSet groups;
};
// All of the content was there, and nobody's fits the hash: the hash, or the size, may be wrong.
struct Exhausted {};

using Finding = std::variant<Pairs, Verified, Discard, Blame, Unclear, FetchAgain, Exhausted>;
using Findings = std::vector<Finding>;

class Unproven {
 public:
  static constexpr size_t kMaxRemembered = 4096;
  static constexpr SourceId kProvenSource = 0;

  Unproven(const Hash& root, uint64_t size);

  const ProvenValues& proven() const { return proven_; }

  // May be asked for groups; before its first bytes.
  void OnSource(SourceId source);
  // Is not to be asked any more: gone, changed, or banned. What it sent stays.
  void OnSourceGone(SourceId source, Findings& findings);

  // Whether OnGroups would take this group of it: asked before its bytes are written, so that what
  // lies on the disk is what is known here.
  bool Takes(SourceId source, uint64_t group) const;
  // Groups came from `source`. The value of a blob's only group is its hash. What is there already,
  // or wanted from another source, is not taken.
  void OnGroups(SourceId source, uint64_t first_group, std::span<const ChainingValue> values,
                Findings& findings);
  // Groups came with their proof, or were verified before.
  void OnVerified(uint64_t first_group, std::span<const ChainingValue> values, Findings& findings);
  // A pair became known. False if it is wrong: who sent it lied.
  bool OnPair(const Subtree& subtree, ByteView pair, Findings& findings);
  bool OnPair(uint64_t index, ByteView pair, Findings& findings);
  // The last chunk has verified, or the size is known for sure.
  void OnSizeProven() { size_proven_ = true; }
  // Nobody can tell more pairs: what is unclear is found out by comparing.
  void Compare(Findings& findings);

  bool complete() const { return verified_blocks_ == proven_.blocks(); }
  // Groups that are there, verified or not.
  const RangeSet& Held() const { return held_; }
  // Groups that are not there, and would be taken from this source. Outside of its share only those
  // that are wanted from nobody else (FetchAgain).
  RangeSet WantedFrom(SourceId source, Range share = {0, RangeSet::kOpenEnd}) const;
  const RangeSet& VerifiedGroups() const { return verified_; }
  // Of the verified block that begins with `group`.
  const ChainingValue& BlockValue(uint64_t group) const;

  // Aborts if counts and states do not agree. Tests and debug builds.
  void CheckInvariants() const;

 private:
  enum class State : uint8_t { kMissing, kPart, kWhole, kVerified };
  // Groups of a block of which some have come.
  struct Part {
    std::vector<ChainingValue> values;
    std::vector<SourceId> sources;
    std::vector<bool> here;
    size_t count = 0;
  };
  struct Block {
    State state = State::kMissing;
    ChainingValue value{};          // kWhole, kVerified
    std::vector<SourceId> sources;  // kWhole: who sent it, without kProvenSource
    std::unique_ptr<Part> part;     // kPart
  };
  // What a source sent of a block before another was asked for it.
  struct Sent {
    uint64_t block = 0;
    SourceId source = 0;
    ChainingValue value{};
  };

  static constexpr uint64_t kBlocksPerPage = 64;
  using Page = std::array<Block, kBlocksPerPage>;

  const Block& BlockAt(uint64_t number) const;
  Block& MakeBlock(uint64_t number);
  bool IsWantedElsewhere(SourceId source, uint64_t number) const;
  void Take(SourceId source, uint64_t group, const ChainingValue& value, Findings& findings);
  void Finish(uint64_t block, Findings& findings);
  void TellPairsAbove(const Subtree& subtree, Findings& findings) const;
  void Drop(uint64_t block);
  void Check(const Subtree& subtree, uint64_t hint, Findings& findings);
  bool IsWhole(const Subtree& subtree, uint64_t hint) const;
  ChainingValue ValueOf(const Subtree& subtree) const;
  void OnFits(const Subtree& subtree, Findings& findings);
  void OnMismatch(const Subtree& subtree, Findings& findings);
  std::set<SourceId> SourcesOf(const Subtree& subtree) const;
  std::vector<uint64_t> CutsOf(const Subtree& subtree) const;
  void BlameFor(const Subtree& subtree, SourceId source, Findings& findings);
  void DiscardAll(const Subtree& subtree, Findings& findings);
  void EmitBlame(SourceId source, bool is_proven, Findings& findings);
  Range BlocksOf(const Subtree& subtree) const;
  bool AfterPair(const Subtree& subtree, ByteView pair, bool is_new, ProvenValues::Fit fit,
                 Findings& findings);
  // Asks the next source for all of `subtree`, or gives it up.
  void CompareNext(const Subtree& subtree, Findings& findings);
  SourceId NextToCompare(const Subtree& subtree) const;
  void StopComparing();
  void Remember(uint64_t block);

  ProvenValues proven_;
  bool size_proven_ = false;
  // Made when something of them has come: the number of blocks is what somebody claims.
  std::vector<std::unique_ptr<Page>> pages_;
  RangeSet held_;              // groups that are there
  RangeSet verified_;          // of these
  uint64_t whole_blocks_ = 0;  // kWhole and kVerified
  uint64_t verified_blocks_ = 0;
  std::set<SourceId> sources_;           // that may be asked
  std::set<SourceId> blamed_;            // with proof
  std::set<SourceId> accused_;           // without; proven once the blob verifies
  std::map<uint64_t, Subtree> unclear_;  // by their first block
  // The subtree that is compared, and the source that is asked for all of it.
  std::optional<Subtree> comparing_;
  SourceId comparing_with_ = 0;
  std::set<SourceId> tried_;  // in this comparison
  std::vector<Sent> sent_;    // bounded by kMaxRemembered
};

}  // namespace blobd::bao
