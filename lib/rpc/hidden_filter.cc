#include "rpc/hidden_filter.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "wire/text.h"

namespace blobd::rpc {
namespace {

bool IsOfWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::vector<Hash> HashesIn(std::string_view text) {
  std::vector<Hash> hashes;
  for (auto at = text.begin(); at != text.end();) {
    const auto begin = std::find_if(at, text.end(), IsOfWord);
    const auto end = std::find_if_not(begin, text.end(), IsOfWord);
    const std::string_view word(begin, end);
    auto hash = wire::ParseHash(word);
    // Of a collection, as people write it.
    if (!hash && word.starts_with('s')) hash = wire::ParseHash(word.substr(1));
    if (hash) hashes.push_back(*hash);
    at = end;
  }
  return hashes;
}

void AskIfHidden(engine::Keeper& keeper, const engine::Caller& caller, std::vector<Hash> named,
                 UniqueFunction<void(bool)> then) {
  if (named.empty() || caller.is_admin()) return then(false);
  keeper.HiddenFrom(caller, std::move(named),
                    [then = std::move(then)](const engine::Keeper::Hidden& hidden) mutable {
                      then(!hidden.empty());
                    });
}

}  // namespace blobd::rpc
