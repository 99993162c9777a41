// Filters of lists that name content: by its hash, or in a text such as the URL of a mirror. Who
// must not learn of that content (Keeper::HiddenFrom) is answered as if there were nothing: what a
// list leaves out would show in its pages.
//
// Thread: the control loop; HashesIn is a pure function.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/task.h"
#include "engine/caller.h"
#include "engine/keeper.h"

namespace blobd::rpc {

// Every hash that stands in the text as a word of letters and digits, in either of its forms.
std::vector<Hash> HashesIn(std::string_view text);

// Calls `then(true)` if one of the contents is hidden from the caller, at once or later.
void AskIfHidden(engine::Keeper& keeper, const engine::Caller& caller, std::vector<Hash> named,
                 UniqueFunction<void(bool)> then);

}  // namespace blobd::rpc
