#include "store/blob_row.h"

#include <array>
#include <optional>
#include <utility>

#include "bao/tree.h"
#include "blake3/hasher.h"
#include "sqlite/row.h"
#include "store/group_map.h"

namespace blobd::store {
namespace {

// A map this large would be a blob in millions of pieces.
constexpr size_t kMaxMapBytes = 64 << 20;
constexpr uint64_t kGroupLimit = kMaxStoredSize / bao::kGroupSize;

}  // namespace

int64_t SumOf(const BlobRow& row, ByteView groups) {
  // One byte for both marks, so that the sums of version three still hold.
  const auto marks = static_cast<uint8_t>((row.is_private ? 1 : 0) | (row.was_complete ? 2 : 0));
  std::array<uint8_t, 11> rest{static_cast<uint8_t>(row.state), row.size_proven, marks};
  for (size_t i = 0; i < 8; ++i) rest[3 + i] = static_cast<uint8_t>(row.size >> (8 * i));
  blake3::Hasher hasher;
  hasher.Update(row.hash.view());
  hasher.Update(rest);
  hasher.Update(groups);
  const Hash hash = hasher.Finish();
  uint64_t sum = 0;
  for (size_t i = 0; i < 8; ++i) sum |= uint64_t{hash.bytes[i]} << (8 * i);
  return static_cast<int64_t>(sum == 0 ? 1 : sum);
}

StatusOr<BlobRow> ReadRow(sqlite::Statement& statement, Hash* hash) {
  sqlite::RowReader row(statement);
  BlobRow blob;
  row.FixedBlob(blob.hash.bytes);
  if (hash != nullptr) *hash = blob.hash;
  blob.state = static_cast<RowState>(row.Integer(1, 5));
  blob.size = row.Unsigned(kMaxStoredSize);
  blob.size_proven = row.Boolean();
  const uint64_t limit = blob.size_proven ? bao::GroupCount(blob.size) : kGroupLimit;
  const ByteView map = row.Blob(kMaxMapBytes);
  std::optional<RangeSet> groups = DecodeGroups(map, limit);
  if (!groups) {
    row.Refuse("is no map of groups");
  } else {
    blob.groups = std::move(*groups);
  }
  blob.last_use.unix_ms = row.Integer();
  blob.is_private = row.Boolean();
  const int64_t sum = row.Integer();
  blob.was_complete = row.Boolean();
  if (sum != 0 && sum != SumOf(blob, map)) row.Refuse("does not fit the row");
  if (blob.complete() && (!blob.size_proven || !blob.groups.empty()))
    row.Refuse("belongs to an impossible blob");
  if (blob.state == RowState::kReopened && !blob.size_proven)
    row.Refuse("belongs to a blob that cannot have been complete");
  if (blob.state == RowState::kInRow && blob.size > bao::kGroupSize)
    row.Refuse("belongs to a blob too large here");
  if (blob.complete() && blob.was_complete) row.Refuse("belongs to a blob that is complete");
  BLOBD_RETURN_IF_ERROR(row.Finish("blobs"));
  if (blob.state == RowState::kReopened) blob.was_complete = true;  // version three did not say so
  return blob;
}

}  // namespace blobd::store
