// Texts for the journal, which must not name private content.
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/hash.h"

namespace blobd::engine {

// `reason`, if the journal may have the hash that it is about (`logged`), or does not name it.
inline std::string ReasonForJournal(const Hash& hash, const std::optional<Hash>& logged,
                                    const std::string& reason) {
  const bool names_it = reason.find(hash.Short()) != std::string::npos;
  return logged || !names_it ? reason : "the reason would name private content";
}

}  // namespace blobd::engine
