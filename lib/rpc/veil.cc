#include "rpc/veil.h"

#include <algorithm>
#include <string>
#include <vector>

#include "rpc/hidden_filter.h"

namespace blobd::rpc {
namespace {

// Reasons, and URLs of mirrors, name hashes in full or in short.
void VeilText(const Hash& hash, std::string* text) {
  const std::vector<Hash> named = HashesIn(*text);
  const bool is_named = std::find(named.begin(), named.end(), hash) != named.end();
  if (is_named || text->find(hash.Short()) != std::string::npos) text->clear();
}

}  // namespace

void Veil(const Hash& hash, v1::Intent* intent) {
  intent->mutable_kind()->clear_hash();
  VeilText(hash, intent->mutable_reason());
  VeilText(hash, intent->mutable_waits_for());
  VeilText(hash, intent->mutable_label());
  for (v1::ProviderFailure& failure : *intent->mutable_failures()) {
    VeilText(hash, failure.mutable_provider());
    VeilText(hash, failure.mutable_reason());
  }
}

void Veil(const Hash& hash, v1::Transfer* transfer) {
  transfer->mutable_kind()->clear_hash();
  VeilText(hash, transfer->mutable_provider());
  VeilText(hash, transfer->mutable_reason());
}

void Veil(const Hash& hash, v1::RequestWhy* why) {
  why->mutable_kind()->clear_hash();
  VeilText(hash, why->mutable_sentence());
  for (v1::ProviderWhy& provider : *why->mutable_providers()) {
    VeilText(hash, provider.mutable_provider());
    VeilText(hash, provider.mutable_last_error());
  }
}

void Veil(const Hash& hash, v1::Request* request) {
  request->mutable_kind()->clear_hash();
  VeilText(hash, request->mutable_waits_for());
}

std::vector<Hash> HashesOfOthers(const engine::Caller& caller,
                                 const std::vector<engine::IntentView>& views) {
  std::vector<Hash> hashes;
  for (const engine::IntentView& view : views) {
    if (!caller.may_see(view.row.owner_uid)) hashes.push_back(view.row.kind.hash);
  }
  return hashes;
}

}  // namespace blobd::rpc
