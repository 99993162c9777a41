// Hashes, node ids and kinds as text (protocol/formats.md, sections 2 and 5). What other programs
// write is read leniently, in either of the two forms in use; what we write is hex in lower case,
// which all of them read.
//
// Pure functions; any thread. nullopt: not such a text. Nothing around it is skipped, not even
// spaces.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/node_id.h"

namespace blobd::wire {

// 64 hex digits or 52 base32 characters, in any case.
std::optional<Hash> ParseHash(std::string_view text);
// The same forms. Whether the bytes are a point of the curve is found out where keys are used.
std::optional<NodeId> ParseNodeId(std::string_view text);
// 64 hex digits: a raw blob; `s` and 64 hex digits: a hash sequence. Digits in any case.
std::optional<Kind> ParseKind(std::string_view text);

std::string FormatHash(const Hash& hash);
std::string FormatNodeId(const NodeId& id);
std::string FormatKind(const Kind& kind);

}  // namespace blobd::wire
