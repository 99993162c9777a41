#include "bao/unproven.h"

#include <algorithm>
#include <bit>

#include "bao/fold.h"
#include "base/check.h"

namespace blobd::bao {
namespace {

// Adds a finding about groups to the last one, if it is of the same kind and goes on there.
template <typename What>
void AddRange(Range groups, Findings& findings) {
  if (!findings.empty()) {
    if (auto* last = std::get_if<What>(&findings.back());
        last != nullptr && last->groups.end == groups.begin) {
      last->groups.end = groups.end;
      return;
    }
  }
  findings.push_back(What{groups});
}

}  // namespace

Unproven::Unproven(const Hash& root, uint64_t size)
    : proven_(root, size),
      pages_(static_cast<size_t>((proven_.blocks() + kBlocksPerPage - 1) / kBlocksPerPage)) {}

const Unproven::Block& Unproven::BlockAt(uint64_t number) const {
  static const Block kNothing{};
  const auto& page = pages_[static_cast<size_t>(number / kBlocksPerPage)];
  return page == nullptr ? kNothing : (*page)[static_cast<size_t>(number % kBlocksPerPage)];
}

Unproven::Block& Unproven::MakeBlock(uint64_t number) {
  auto& page = pages_[static_cast<size_t>(number / kBlocksPerPage)];
  if (page == nullptr) page = std::make_unique<Page>();
  return (*page)[static_cast<size_t>(number % kBlocksPerPage)];
}

void Unproven::OnSource(SourceId source) {
  BLOBD_CHECK(source != kProvenSource);
  if (!blamed_.contains(source) && !accused_.contains(source)) sources_.insert(source);
}

void Unproven::OnSourceGone(SourceId source, Findings& findings) {
  sources_.erase(source);
  if (!comparing_ || comparing_with_ != source) return;
  tried_.insert(source);
  CompareNext(Subtree(*comparing_), findings);
}

void Unproven::OnGroups(SourceId source, uint64_t first_group,
                        std::span<const ChainingValue> values, Findings& findings) {
  BLOBD_CHECK(first_group + values.size() <= proven_.groups());
  for (size_t i = 0; i < values.size(); ++i) Take(source, first_group + i, values[i], findings);
}

void Unproven::OnVerified(uint64_t first_group, std::span<const ChainingValue> values,
                          Findings& findings) {
  OnGroups(kProvenSource, first_group, values, findings);
}

bool Unproven::Takes(SourceId source, uint64_t group) const {
  if (blamed_.contains(source) || accused_.contains(source)) return false;
  const uint64_t number = group / proven_.block_groups();
  const Block& block = BlockAt(number);
  if (block.state == State::kVerified || block.state == State::kWhole) return false;
  if (source == kProvenSource) return true;
  if (IsWantedElsewhere(source, number)) return false;
  if (block.state == State::kMissing) return true;
  const auto at = static_cast<size_t>(group - proven_.GroupsOf(number).begin);
  // What is there stays. A run is written before its groups are told, and one of them may complete
  // the block, or end the source: of what would have been written over then nothing would be right.
  return !block.part->here[at];
}

void Unproven::Take(SourceId source, uint64_t group, const ChainingValue& value,
                    Findings& findings) {
  if (!Takes(source, group)) return;
  const uint64_t number = group / proven_.block_groups();
  Block& block = MakeBlock(number);
  if (block.state == State::kMissing) {
    const size_t groups = static_cast<size_t>(proven_.GroupsOf(number).size());
    block.state = State::kPart;
    block.part = std::make_unique<Part>();
    block.part->values.resize(groups);
    block.part->sources.resize(groups);
    block.part->here.resize(groups);
  }
  Part& part = *block.part;
  const auto at = static_cast<size_t>(group - proven_.GroupsOf(number).begin);
  if (part.here[at]) {  // and is proven now
    const SourceId before = part.sources[at];
    // Only the value of the blob's end depends on where it ends.
    const bool is_sure = size_proven_ || group + 1 < proven_.groups();
    if (source == kProvenSource && before != kProvenSource && part.values[at] != value) {
      EmitBlame(before, is_sure, findings);
    }
  } else {
    part.here[at] = true;
    ++part.count;
    held_.Insert({group, group + 1});
  }
  part.values[at] = value;
  part.sources[at] = source;
  if (part.count < part.values.size()) return;
  Finish(number, findings);
  Check(proven_.ProvenAround(number), number, findings);
}

void Unproven::Finish(uint64_t number, Findings& findings) {
  Block& block = MakeBlock(number);
  Pairs known{{}, proven_.GroupsOf(number)};
  block.value = FoldPairs(block.part->values, known.block.begin, 0, proven_.groups(),
                          proven_.blocks() == 1, known.pairs);
  if (!known.pairs.empty()) findings.push_back(std::move(known));
  std::set<SourceId> sources(block.part->sources.begin(), block.part->sources.end());
  sources.erase(kProvenSource);
  block.sources.assign(sources.begin(), sources.end());
  block.part.reset();
  block.state = State::kWhole;
  ++whole_blocks_;
}

void Unproven::Drop(uint64_t number) {
  Block& block = MakeBlock(number);
  BLOBD_CHECK(block.state != State::kVerified);
  if (block.state == State::kWhole) --whole_blocks_;
  block.state = State::kMissing;
  block.sources.clear();
  block.part.reset();
  held_.Remove(proven_.GroupsOf(number));
}

Range Unproven::BlocksOf(const Subtree& subtree) const {
  const Range groups = ProvenValues::GroupsOf(subtree);
  const uint64_t unit = proven_.block_groups();
  return {groups.begin / unit, (groups.end + unit - 1) / unit};
}

bool Unproven::IsWhole(const Subtree& subtree, uint64_t hint) const {
  if (whole_blocks_ == proven_.blocks()) return true;
  if (subtree == proven_.root()) return false;
  // What is missing mostly follows what came last, so that is found soon.
  const Range range = BlocksOf(subtree);
  for (uint64_t i = 0; i < range.size(); ++i) {
    const uint64_t number = range.begin + (hint - range.begin + i) % range.size();
    const State state = BlockAt(number).state;
    if (state != State::kWhole && state != State::kVerified) return false;
  }
  return true;
}

ChainingValue Unproven::ValueOf(const Subtree& subtree) const {
  const Range range = BlocksOf(subtree);
  std::vector<ChainingValue> values;
  for (uint64_t i = range.begin; i < range.end; ++i) {
    values.push_back(BlockAt(i).value);
  }
  return FoldValues(values, subtree == proven_.root());
}

void Unproven::Check(const Subtree& subtree, uint64_t hint, Findings& findings) {
  if (!IsWhole(subtree, hint)) return;
  if (proven_.Fits(subtree, ValueOf(subtree))) return OnFits(subtree, findings);
  OnMismatch(subtree, findings);
}

// Those between it and its blocks.
void Unproven::TellPairsAbove(const Subtree& subtree, Findings& findings) const {
  const Range range = BlocksOf(subtree);
  if (range.size() == 1) return;
  std::vector<ChainingValue> values;
  for (uint64_t i = range.begin; i < range.end; ++i) {
    values.push_back(BlockAt(i).value);
  }
  Pairs known;
  const int level = std::countr_zero(proven_.block_groups());
  FoldPairs(values, proven_.GroupsOf(range.begin).begin, level, proven_.groups(),
            subtree == proven_.root(), known.pairs);
  findings.push_back(std::move(known));
}

void Unproven::OnFits(const Subtree& subtree, Findings& findings) {
  const Range range = BlocksOf(subtree);
  TellPairsAbove(subtree, findings);
  unclear_.erase(range.begin);
  if (comparing_ == subtree) StopComparing();
  for (uint64_t i = range.begin; i < range.end; ++i) {
    Block& block = MakeBlock(i);
    if (block.state == State::kVerified) continue;
    block.state = State::kVerified;
    block.sources.clear();
    ++verified_blocks_;
    verified_.Insert(proven_.GroupsOf(i));
    AddRange<Verified>(proven_.GroupsOf(i), findings);
  }
  std::erase_if(sent_, [&](const Sent& sent) {
    if (sent.block < range.begin || sent.block >= range.end) return false;
    if (sent.value != BlockAt(sent.block).value) {
      EmitBlame(sent.source, true, findings);
    }
    return true;
  });
  if (!complete()) return;
  // Now it is known that this is the content of this hash, and its size.
  size_proven_ = true;
  for (const SourceId source : std::set<SourceId>(accused_)) EmitBlame(source, true, findings);
}

void Unproven::OnMismatch(const Subtree& subtree, Findings& findings) {
  const std::set<SourceId> sources = SourcesOf(subtree);
  if (comparing_ == subtree) {
    BlameFor(subtree, comparing_with_, findings);
    tried_.insert(comparing_with_);
    return CompareNext(subtree, findings);
  }
  const bool is_root = subtree == proven_.root();
  if (sources.size() > 1) {
    unclear_[BlocksOf(subtree).begin] = subtree;
    findings.push_back(Unclear{ProvenValues::GroupsOf(subtree), CutsOf(subtree)});
    return;
  }
  if (sources.size() == 1) BlameFor(subtree, *sources.begin(), findings);
  DiscardAll(subtree, findings);
  if (is_root && sources_.empty()) findings.push_back(Exhausted{});
}

std::set<SourceId> Unproven::SourcesOf(const Subtree& subtree) const {
  std::set<SourceId> sources;
  const Range range = BlocksOf(subtree);
  for (uint64_t i = range.begin; i < range.end; ++i) {
    const Block& block = BlockAt(i);
    if (block.state == State::kWhole) sources.insert(block.sources.begin(), block.sources.end());
  }
  return sources;
}

std::vector<uint64_t> Unproven::CutsOf(const Subtree& subtree) const {
  std::vector<uint64_t> cuts;
  const Range range = BlocksOf(subtree);
  for (uint64_t i = range.begin + 1; i < range.end && cuts.size() < kMaxRemembered; ++i) {
    const Block& before = BlockAt(i - 1);
    const Block& here = BlockAt(i);
    const bool is_verified = before.state == State::kVerified && here.state == State::kVerified;
    if (!is_verified && (before.sources != here.sources || here.sources.size() > 1)) {
      cuts.push_back(proven_.GroupsOf(i).begin);
    }
  }
  return cuts;
}

void Unproven::BlameFor(const Subtree& subtree, SourceId source, Findings& findings) {
  EmitBlame(source, size_proven_ && subtree != proven_.root(), findings);
}

void Unproven::EmitBlame(SourceId source, bool is_proven, Findings& findings) {
  sources_.erase(source);
  if (is_proven) {
    accused_.erase(source);
    if (!blamed_.insert(source).second) return;
  } else if (blamed_.contains(source) || !accused_.insert(source).second) {
    return;
  }
  findings.push_back(Blame{source, is_proven});
}

void Unproven::DiscardAll(const Subtree& subtree, Findings& findings) {
  const Range range = BlocksOf(subtree);
  for (uint64_t i = range.begin; i < range.end; ++i) {
    Block& block = MakeBlock(i);
    if (block.state == State::kVerified) continue;
    Remember(i);
    Drop(i);
    AddRange<Discard>(proven_.GroupsOf(i), findings);
  }
}

bool Unproven::OnPair(const Subtree& subtree, ByteView pair, Findings& findings) {
  const uint64_t block = BlocksOf(subtree).begin;
  const bool is_new = proven_.ProvenAround(block) == subtree;
  return AfterPair(subtree, pair, is_new, proven_.AddPair(subtree, pair), findings);
}

bool Unproven::OnPair(uint64_t index, ByteView pair, Findings& findings) {
  return OnPair(proven_.SubtreeOf(index), pair, findings);
}

bool Unproven::AfterPair(const Subtree& subtree, ByteView pair, bool is_new, ProvenValues::Fit fit,
                         Findings& findings) {
  if (fit == ProvenValues::Fit::kWrong) return false;
  if (fit == ProvenValues::Fit::kUnknown || !is_new) return true;
  PathPair known{subtree.pair_index, {}};
  std::copy(pair.begin(), pair.end(), known.hashes.begin());
  findings.push_back(Pairs{{known}, {}});
  unclear_.erase(BlocksOf(subtree).begin);
  // What is compared as a whole can be told apart now. What comes on is taken from anybody.
  if (comparing_ == subtree) StopComparing();
  for (const Subtree& part : {subtree.Left(), subtree.Right()}) {
    const Range range = BlocksOf(part);
    const Range groups = ProvenValues::GroupsOf(part);
    if (!verified_.ContainsAll(groups)) Check(part, range.begin, findings);
  }
  return true;
}

void Unproven::Compare(Findings& findings) {
  if (comparing_ || unclear_.empty()) return;
  CompareNext(Subtree(unclear_.begin()->second), findings);
}

SourceId Unproven::NextToCompare(const Subtree& subtree) const {
  std::map<SourceId, uint64_t> sent;
  for (const SourceId source : sources_) {
    if (!tried_.contains(source)) sent[source] = 0;
  }
  const Range range = BlocksOf(subtree);
  for (uint64_t i = range.begin; i < range.end; ++i) {
    const Block& block = BlockAt(i);
    if (block.state != State::kWhole || block.sources.size() != 1) continue;
    if (const auto found = sent.find(block.sources[0]); found != sent.end()) ++found->second;
  }
  // Who has sent the most has the least to send again.
  const auto most = std::max_element(
      sent.begin(), sent.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == sent.end() ? kProvenSource : most->first;
}

void Unproven::CompareNext(const Subtree& subtree, Findings& findings) {
  StopComparing();
  const Range range = BlocksOf(subtree);
  unclear_.erase(range.begin);
  const SourceId source = NextToCompare(subtree);
  if (source == kProvenSource) {
    tried_.clear();
    DiscardAll(subtree, findings);
    if (subtree == proven_.root()) findings.push_back(Exhausted{});
    return Compare(findings);  // what else is unclear
  }
  comparing_ = subtree;
  comparing_with_ = source;
  RangeSet groups;
  for (uint64_t i = range.begin; i < range.end; ++i) {
    Block& block = MakeBlock(i);
    if (block.state == State::kVerified) continue;
    const bool is_its_own = block.state == State::kWhole &&
                            (block.sources.empty() || block.sources == std::vector{source});
    if (!is_its_own) {
      Remember(i);
      Drop(i);
      groups.Insert(proven_.GroupsOf(i));
    }
  }
  if (groups.empty()) return OnMismatch(subtree, findings);  // all of it is this source's already
  findings.push_back(FetchAgain{source, std::move(groups)});
}

void Unproven::StopComparing() {
  comparing_.reset();
  comparing_with_ = 0;
}

void Unproven::Remember(uint64_t number) {
  const Block& block = BlockAt(number);
  if (block.state != State::kWhole || block.sources.size() != 1) return;
  if (sent_.size() < kMaxRemembered) sent_.push_back({number, block.sources[0], block.value});
}

// While a subtree is compared, what is missing of it is one source's to bring.
bool Unproven::IsWantedElsewhere(SourceId source, uint64_t number) const {
  if (!comparing_ || source == comparing_with_) return false;
  const Range compared = BlocksOf(*comparing_);
  return number >= compared.begin && number < compared.end;
}

RangeSet Unproven::WantedFrom(SourceId source, Range share) const {
  if (blamed_.contains(source) || accused_.contains(source)) return {};
  share.end = std::min(share.end, proven_.groups());
  RangeSet wanted = share.empty() ? RangeSet() : held_.Missing(share);
  if (!comparing_) return wanted;
  const Range compared = ProvenValues::GroupsOf(*comparing_);
  wanted.Remove(compared);
  if (source == comparing_with_) wanted.InsertAll(held_.Missing(compared));
  return wanted;
}

const ChainingValue& Unproven::BlockValue(uint64_t group) const {
  const Block& block = BlockAt(group / proven_.block_groups());
  BLOBD_CHECK(block.state == State::kVerified);
  return block.value;
}

void Unproven::CheckInvariants() const {
  uint64_t whole = 0;
  uint64_t verified = 0;
  RangeSet held;
  for (uint64_t i = 0; i < proven_.blocks(); ++i) {
    const Block& block = BlockAt(i);
    if (block.state == State::kVerified) ++verified;
    if (block.state == State::kVerified || block.state == State::kWhole) ++whole;
    BLOBD_CHECK((block.state == State::kPart) == (block.part != nullptr));
    BLOBD_CHECK(!block.part ||
                (block.part->count > 0 && block.part->count < block.part->values.size()));
    const Range groups = proven_.GroupsOf(i);
    if (block.state == State::kWhole || block.state == State::kVerified) held.Insert(groups);
    BLOBD_CHECK(verified_.Intersects(groups) == (block.state == State::kVerified));
    for (size_t at = 0; block.part != nullptr && at < block.part->here.size(); ++at) {
      if (block.part->here[at]) held.Insert({groups.begin + at, groups.begin + at + 1});
    }
  }
  BLOBD_CHECK(held == held_);
  BLOBD_CHECK(whole == whole_blocks_ && verified == verified_blocks_);
  BLOBD_CHECK(sent_.size() <= kMaxRemembered);
  for (const auto& [begin, subtree] : unclear_) {
    BLOBD_CHECK(IsWhole(subtree, begin) && comparing_ != subtree);
  }
  for (const SourceId source : blamed_) {
    BLOBD_CHECK(!sources_.contains(source) && !accused_.contains(source));
  }
}

}  // namespace blobd::bao
