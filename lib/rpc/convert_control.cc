// Limits, bans and waits, between messages and the engine's values. See convert.h.
#include <algorithm>
#include <set>

#include "base/error_reason.h"
#include "base/utf8.h"
#include "rpc/convert.h"
#include "wire/text.h"

namespace blobd::rpc {
namespace {

constexpr size_t kMaxProvidersShown = 1024;

v1::WaitFact FromFact(schedule::WaitFact fact) {
  switch (fact) {
    case schedule::WaitFact::kStore:
      return v1::WAIT_FACT_STORE;
    case schedule::WaitFact::kRequestSlot:
      return v1::WAIT_FACT_REQUEST_SLOT;
    case schedule::WaitFact::kProviderSlot:
      return v1::WAIT_FACT_PROVIDER_SLOT;
    case schedule::WaitFact::kConnection:
      return v1::WAIT_FACT_CONNECTION;
    case schedule::WaitFact::kDialLimit:
      return v1::WAIT_FACT_DIAL_LIMIT;
    case schedule::WaitFact::kDial:
      return v1::WAIT_FACT_DIAL;
    case schedule::WaitFact::kRetry:
      return v1::WAIT_FACT_RETRY;
    case schedule::WaitFact::kProvider:
      return v1::WAIT_FACT_PROVIDER;
    case schedule::WaitFact::kNetwork:
      return v1::WAIT_FACT_NETWORK;
    case schedule::WaitFact::kDisk:
      return v1::WAIT_FACT_DISK;
    case schedule::WaitFact::kItsCallers:
      return v1::WAIT_FACT_CALLERS;
    case schedule::WaitFact::kResumption:
      return v1::WAIT_FACT_RESUMPTION;
    case schedule::WaitFact::kNextStart:
      return v1::WAIT_FACT_NEXT_START;
  }
  return v1::WAIT_FACT_UNSPECIFIED;
}

v1::ProviderStanding FromStanding(schedule::ProviderStanding standing) {
  switch (standing) {
    case schedule::ProviderStanding::kUsed:
      return v1::PROVIDER_STANDING_USED;
    case schedule::ProviderStanding::kFree:
      return v1::PROVIDER_STANDING_FREE;
    case schedule::ProviderStanding::kBusy:
      return v1::PROVIDER_STANDING_BUSY;
    case schedule::ProviderStanding::kDialling:
      return v1::PROVIDER_STANDING_DIALLING;
    case schedule::ProviderStanding::kFailed:
      return v1::PROVIDER_STANDING_FAILED;
    case schedule::ProviderStanding::kAskedToWait:
      return v1::PROVIDER_STANDING_ASKED_TO_WAIT;
    case schedule::ProviderStanding::kOwnFault:
      return v1::PROVIDER_STANDING_OWN_FAULT;
    case schedule::ProviderStanding::kUnreachable:
      return v1::PROVIDER_STANDING_UNREACHABLE;
    case schedule::ProviderStanding::kWithoutContent:
      return v1::PROVIDER_STANDING_WITHOUT_CONTENT;
    case schedule::ProviderStanding::kSetAside:
      return v1::PROVIDER_STANDING_SET_ASIDE;
    case schedule::ProviderStanding::kBanned:
      return v1::PROVIDER_STANDING_BANNED;
  }
  return v1::PROVIDER_STANDING_UNSPECIFIED;
}

StatusOr<const engine::LimitField*> ToLimit(std::string_view name, const std::string& field) {
  if (const engine::LimitField* limit = engine::FindLimit(name)) return limit;
  std::string names;
  for (const engine::LimitField& each : engine::LimitFields()) {
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  }
  return WithDetail(
      FieldError(Reason::kUnknownLimit, field, "there is no limit \"{}\"; there are {}",
                 EscapeForTerminal(name.substr(0, 80)), names),
      "value", name);
}

}  // namespace

StatusOr<ProviderId> ToProviderId(std::string_view text, std::string_view field) {
  if (const auto node = wire::ParseNodeId(text)) return ProviderId(*node);
  const bool is_url = text.starts_with("http://") || text.starts_with("https://");
  if (is_url && text.size() <= kMaxUrlBytes && IsUtf8(text)) {
    BLOBD_ASSIGN_OR_RETURN(MirrorUrl mirror, ToMirror(text, field));
    return ProviderId(std::move(mirror));
  }
  return WithDetail(
      FieldError(Reason::kInvalidField, field,
                 "\"{}\" is neither a node id (64 hex digits or 52 base32 characters) "
                 "nor a URL of at most {} bytes",
                 EscapeForTerminal(text.substr(0, 80)), kMaxUrlBytes),
      "value", text);
}

StatusOr<LimitChanges> ToLimitChanges(const v1::SetLimitsRequest& request) {
  LimitChanges result;
  std::set<const engine::LimitField*> seen;
  if (const int count = std::max(request.changes_size(), request.reset_size());
      count > kMaxLimitChanges) {
    return TooMany("changes", count, 0, kMaxLimitChanges);
  }
  for (int i = 0; i < request.changes_size(); ++i) {
    const v1::LimitChange& change = request.changes(i);
    BLOBD_ASSIGN_OR_RETURN(const engine::LimitField* limit,
                           ToLimit(change.name(), fmt::format("changes[{}].name", i)));
    if (!seen.insert(limit).second) {
      return FieldError(Reason::kInvalidField, fmt::format("changes[{}].name", i),
                        "{} is changed twice", limit->name);
    }
    if (change.unlimited()) {
      if (!limit->is_rate || change.value() != 0) {
        return FieldError(Reason::kInvalidField, fmt::format("changes[{}].unlimited", i),
                          "only a rate can be without limit, and has no value then; {} is {}",
                          limit->name, limit->is_rate ? "a rate" : "none");
      }
      result.changes.push_back({limit, engine::LimitField::kNone});
      continue;
    }
    BLOBD_RETURN_IF_ERROR(engine::CheckLimit(*limit, change.value()));
    result.changes.push_back({limit, change.value()});
  }
  for (int i = 0; i < request.reset_size(); ++i) {
    if (request.reset(i) == "all") {
      for (const engine::LimitField& each : engine::LimitFields()) result.reset.push_back(&each);
      continue;
    }
    BLOBD_ASSIGN_OR_RETURN(const engine::LimitField* limit,
                           ToLimit(request.reset(i), fmt::format("reset[{}]", i)));
    result.reset.push_back(limit);
  }
  if (result.changes.empty() && result.reset.empty()) {
    return FieldError(Reason::kMissingField, "changes", "neither a change nor a reset is given");
  }
  return result;
}

void Fill(const engine::WhyView& view, v1::RequestWhy* out) {
  Fill(view.kind, out->mutable_kind());
  out->set_state(FromState(view.state));
  out->set_sentence(view.sentence);
  out->set_since_unix_ms(view.since.unix_ms);
  for (const engine::WaitView& wait : view.waits) {
    v1::Wait* each = out->add_waits();
    each->set_fact(FromFact(wait.fact));
    each->set_count(wait.count);
    each->set_until_unix_ms(wait.until.unix_ms);
  }
  for (size_t i = 0; i < std::min(view.providers.size(), kMaxProvidersShown); ++i) {
    const engine::ProviderWhyView& provider = view.providers[i];
    v1::ProviderWhy* each = out->add_providers();
    each->set_provider(ShownProvider(provider.provider));
    each->set_standing(FromStanding(provider.standing));
    each->set_until_unix_ms(provider.until.unix_ms);
    each->set_failures(provider.failures);
    each->set_last_error(provider.last_error);
    each->set_sentence(provider.sentence);
  }
  for (size_t i = 0; i < std::min(view.intents.size(), kMaxIntentsShown); ++i) {
    out->add_intent_ids(view.intents[i].value);
  }
}

// Why a mirror was banned for one URL may name what is there, and the URL may be a key.
void Fill(const engine::BanView& view, const engine::Caller& caller, v1::Ban* out) {
  const bool is_admin = caller.is_admin();
  out->set_provider(is_admin ? ToString(view.provider) : OriginOnly(view.provider));
  out->set_until_unix_ms(view.until.unix_ms);
  out->set_times(view.times);
  if (is_admin || OriginOnly(view.provider) == ToString(view.provider))
    out->set_reason(view.reason);
}

void Fill(const engine::LimitView& view, v1::Limit* out) {
  out->set_name(std::string(view.name));
  out->set_value(view.value);
  out->set_configured(view.configured);
  if (view.is_kept) out->set_persisted(view.kept);
  const engine::LimitField& field = *engine::FindLimit(view.name);
  out->set_smallest(field.smallest);
  out->set_largest(field.largest);
  out->set_is_rate(field.is_rate);
  out->set_source(view.source);
  out->set_until_unix_ms(view.until.unix_ms);
}

}  // namespace blobd::rpc
