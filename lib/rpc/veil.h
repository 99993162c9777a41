// What callers are told of content that others' private tags name: everything but its hash
// (design/control-plane.md, "Socket and authority").
//
// Thread: any.
#pragma once

#include <vector>

#include "base/hash.h"
#include "blobd/v1/downloads.pb.h"
#include "engine/caller.h"
#include "engine/values.h"

namespace blobd::rpc {

// Takes `hash` out of the message: as a field, and texts in which it may stand as a whole.
void Veil(const Hash& hash, v1::Intent* intent);
void Veil(const Hash& hash, v1::Transfer* transfer);
void Veil(const Hash& hash, v1::RequestWhy* why);
void Veil(const Hash& hash, v1::Request* request);

// Of other people's intents, since everybody knows what their own are for.
std::vector<Hash> HashesOfOthers(const engine::Caller& caller,
                                 const std::vector<engine::IntentView>& views);

}  // namespace blobd::rpc
