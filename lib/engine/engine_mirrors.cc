// Mirrors: which network a transfer belongs to, and what follows from wrong bytes. See engine.h.
#include <utility>

#include "engine/engine.h"
#include "engine/journal_text.h"
#include "http/url.h"

namespace blobd::engine {

void Engine::StartGet(const schedule::StartTransfer& effect) {
  if (const auto* node = std::get_if<NodeId>(&effect.provider)) {
    return deps_.network.StartGet(effect.transfer, *node, OrderOf(effect));
  }
  const std::string& url = std::get<MirrorUrl>(effect.provider).url;
  const auto refuse = [&](schedule::Outcome outcome, std::string reason) {
    deps_.control.Post(
        [this, id = effect.transfer, end = transfer::GetEnd{outcome, std::move(reason), {}}] {
          OnGetEnded(id, {}, end);
        });
  };
  if (deps_.mirrors == nullptr)
    return refuse(schedule::Outcome::kAbortRequest, "mirrors are not used here");
  if (const std::string* reason = faults_.Refused(url, effect.kind.hash, deps_.timers.Now()))
    return refuse(schedule::Outcome::kWrongContent, *reason);
  deps_.mirrors->StartGet(effect.transfer, url, OrderOf(effect));
}

void Engine::StopGet(TransferId id) {
  const auto it = running_.find(id);
  if (it == running_.end()) return;
  if (!it->second.is_mirror) return deps_.network.StopGet(id);
  if (deps_.mirrors != nullptr) deps_.mirrors->StopGet(id);
}

void Engine::LowerLimit(TransferId id, uint64_t boundary) {
  const auto it = running_.find(id);
  if (it == running_.end()) return;
  if (!it->second.is_mirror) return deps_.network.LowerLimit(id, boundary);
  if (deps_.mirrors != nullptr) deps_.mirrors->LowerLimit(id, boundary);
}

// A mirror is judged by URL and hash: a caller may have named the wrong one. Only an origin that
// was proved wrong about several is banned.
transfer::GetEnd Engine::JudgeMirror(TransferId id, transfer::GetEnd end) {
  const auto view = transfers_.View(id);
  if (!view || end.outcome != schedule::Outcome::kDropProvider) return end;
  const auto* mirror = std::get_if<MirrorUrl>(&view->provider);
  if (mirror == nullptr) return end;
  if (!faults_.Add(mirror->url, view->kind.hash, end.reason, deps_.timers.Now())) {
    end.outcome = schedule::Outcome::kWrongContent;
  }
  return end;
}

// Its transfer had ended: nothing is stopped, but it is not used for that hash any more.
void Engine::OnMirrorBlamed(const std::string& url, const Hash& hash, const std::string& reason) {
  const bool is_bad = faults_.Add(url, hash, reason, deps_.timers.Now());
  std::optional<Hash> logged;
  for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
    if (!logged) logged = LoggedHash({hash, format});
  }
  deps_.log.Write(LogLevel::kWarning, {.hash = logged, .provider = MirrorUrl{url}},
                  "wrong bytes: " + ReasonForJournal(hash, logged, reason));
  if (is_bad) Deliver(schedule::BanWanted{MirrorUrl{url}, std::nullopt, reason});
}

// What lies in the store of it without proof is of no use to anybody.
void Engine::ForgetUnproven(const Hash& hash) {
  if (deps_.mirrors == nullptr) return;
  for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
    if (kinds_.count({hash, format}) != 0) return;
  }
  deps_.mirrors->Forget(hash);
}

// The URL of a mirror may name the hash of its content: where the journal may not have that
// (`logged`), it gets the origin.
ProviderId Engine::LoggedProvider(const ProviderId& provider, const std::optional<Hash>& logged) {
  const auto* mirror = std::get_if<MirrorUrl>(&provider);
  if (mirror == nullptr || logged) return provider;
  const StatusOr<http::Url> url = http::Url::Parse(mirror->url);
  // Any other is a template, without a hash.
  return url.ok() ? ProviderId(MirrorUrl{url->origin().ToString()}) : provider;
}

}  // namespace blobd::engine
