// WhyKept, Remove, CollectGarbage, Verify. See blobs_service.h.
#include <algorithm>
#include <utility>

#include "rpc/blobs_service.h"
#include "rpc/convert.h"
#include "rpc/report_reactor.h"

namespace blobd::rpc {
namespace {

constexpr uint32_t kMaxListed = 100'000;
constexpr size_t kListedPerMessage = 1000;
constexpr uint64_t kMaxFindings = 10'000;  // told; more are counted
// While work goes on its progress is told so often.
constexpr Duration kTellInterval = milliseconds(100);

using GcReport = Report<v1::CollectGarbageResponse>;
using VerifyReport = Report<v1::VerifyResponse>;

StatusOr<std::vector<Hash>> ToHashes(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  if (texts.size() > kMaxItems) {
    return TooMany("hashes", texts.size(), 0, kMaxItems);
  }
  std::vector<Hash> hashes;
  for (int i = 0; i < texts.size(); ++i) {
    BLOBD_ASSIGN_OR_RETURN(const Hash hash, ToHash(texts[i], fmt::format("hashes[{}]", i)));
    hashes.push_back(hash);
  }
  return hashes;
}

// Says whether it is time to tell something again.
class Pace {
 public:
  bool IsDue() {
    const Instant now = SystemClock().Now();
    if (now < due_) return false;
    due_ = now + kTellInterval;
    return true;
  }

 private:
  Instant due_;
};

void Fill(const engine::GcReport& report, v1::CollectGarbageResponse* out) {
  out->set_seen_blobs(report.seen_blobs);
  out->set_removed_blobs(report.removed_blobs);
  out->set_removed_bytes(report.removed_bytes);
  out->set_kept_blobs(report.kept_blobs);
  out->set_kept_bytes(report.kept_bytes);
}

void Fill(const engine::VerifyReport& report, v1::VerifyResponse* out) {
  out->set_blobs(report.blobs);
  out->set_bytes(report.bytes);
  out->set_total_bytes(report.total_bytes);
  out->set_failed_blobs(report.failed_blobs);
}

void Fill(const engine::GcVerdict& verdict, const engine::Caller& caller, v1::Keeping* out) {
  rpc::Fill(verdict.keeping, caller, out);
  out->set_hash(verdict.blob.hash.ToHex());
  out->set_bytes(verdict.blob.disk_bytes);
  out->set_last_use_unix_ms(verdict.blob.last_use.unix_ms);
}

// The lists, in messages of a bounded size. What other people's private tags name stays out.
template <typename Add>
void AppendList(GcReport& report, const engine::Caller& caller,
                const engine::Keeper::Hidden& hidden,
                const std::vector<engine::GcVerdict>& verdicts, Add add) {
  v1::CollectGarbageResponse message;
  size_t listed = 0;
  for (const engine::GcVerdict& verdict : verdicts) {
    if (hidden.count(verdict.blob.hash) != 0) continue;
    Fill(verdict, caller, add(message));
    if (++listed % kListedPerMessage == 0) report.Append(std::exchange(message, {}));
  }
  if (listed % kListedPerMessage != 0) report.Append(std::move(message));
}

// Those of which it must be found out whether they are hidden.
std::vector<Hash> PrivateOnes(const engine::GcReport& report) {
  std::vector<Hash> hashes;
  for (const auto* list : {&report.removed, &report.kept}) {
    for (const engine::GcVerdict& verdict : *list) {
      if (verdict.blob.is_private) hashes.push_back(verdict.blob.hash);
    }
  }
  return hashes;
}

v1::VerifyResult FromResult(engine::VerifyFinding::Result result) {
  switch (result) {
    case engine::VerifyFinding::Result::kAbsent:
      return v1::VERIFY_RESULT_ABSENT;
    case engine::VerifyFinding::Result::kRotten:
      return v1::VERIFY_RESULT_ROTTEN;
    case engine::VerifyFinding::Result::kUnreadable:
      return v1::VERIFY_RESULT_UNREADABLE;
  }
  return v1::VERIFY_RESULT_UNSPECIFIED;
}

void Fill(const engine::VerifyFinding& finding, const engine::Caller& caller,
          v1::VerifyFinding* out) {
  // Whose secret it is nobody knows here. The intent that repairs it would tell.
  const bool is_shown = !finding.is_private || caller.is_admin();
  if (is_shown) out->set_hash(finding.hash.ToHex());
  out->set_result(FromResult(finding.result));
  out->set_rotten_groups(finding.rotten_groups);
  if (is_shown && finding.repair) out->set_intent_id(finding.repair->value);
  out->set_reason(finding.reason);
}

engine::Verifier::Listener ListenerFor(const std::shared_ptr<VerifyReport>& report,
                                       const engine::Caller& caller) {
  engine::Verifier::Listener listener;
  listener.progress = [report, pace = Pace()](const engine::VerifyReport& progress) mutable {
    if (pace.IsDue()) report->Update([&](v1::VerifyResponse& m) { Fill(progress, &m); });
  };
  listener.finding = [report, caller](const engine::VerifyReport& progress,
                                      const engine::VerifyFinding& finding) {
    report->Update([&](v1::VerifyResponse& message) {
      Fill(progress, &message);
      if (progress.failed_blobs <= kMaxFindings) Fill(finding, caller, message.add_findings());
    });
  };
  listener.done = [report](const Status& status, const engine::VerifyReport& progress) {
    report->Update([&](v1::VerifyResponse& message) {
      Fill(progress, &message);
      message.set_finished(status.ok());
    });
    report->End(status);
  };
  return listener;
}

// A run that is over.
void Tell(GcReport& report, const engine::Caller& caller, const engine::Keeper::Hidden& hidden,
          const Status& status, const engine::GcReport& result) {
  report.Update([&](v1::CollectGarbageResponse& message) {
    Fill(result, &message);
    message.set_finished(status.ok());
  });
  AppendList(report, caller, hidden, result.removed, [](auto& m) { return m.add_removed(); });
  AppendList(report, caller, hidden, result.kept, [](auto& m) { return m.add_kept(); });
  report.End(status);
}

}  // namespace

grpc::ServerUnaryReactor* BlobsService::WhyKept(grpc::CallbackServerContext* call,
                                                const v1::WhyKeptRequest* request,
                                                v1::WhyKeptResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kBlobsWhyKept, reactor, kQuestionWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, hash = *hash] {
    auto answer = [reactor, response, caller,
                   hash](const StatusOr<std::vector<engine::Keeping>>& keepings) {
      if (keepings.ok()) FillKeepings(hash, *keepings, caller, response->mutable_keepings());
      reactor->End(keepings.status());
    };
    context_.keeper.WhyKept(caller, hash, std::move(answer));
  });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::Remove(grpc::CallbackServerContext* call,
                                               const v1::RemoveRequest* request,
                                               v1::RemoveResponse* response) {
  const BriefRequest brief(*call);
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kBlobsRemove, reactor, kQuestionWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  auto hashes = ToHashes(request->hashes());
  if (!hashes.ok()) return Refuse(reactor, hashes.status());
  if (hashes->empty()) return Refuse(reactor, TooMany("hashes", 0, 1, kMaxItems));
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, force = request->force(),
                               hashes = *std::move(hashes)]() mutable {
    context_.keeper.Remove(caller, std::move(hashes), force,
                           [reactor, response](const StatusOr<engine::Removed>& removed) {
                             if (removed.ok()) {
                               for (const Hash& hash : removed->removed)
                                 response->add_removed(hash.ToHex());
                               for (const Hash& hash : removed->absent)
                                 response->add_absent(hash.ToHex());
                               response->set_removed_bytes(removed->bytes);
                             }
                             reactor->End(removed.status());
                           });
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::CollectGarbageResponse>* BlobsService::CollectGarbage(
    grpc::CallbackServerContext* call, const v1::CollectGarbageRequest* request) {
  auto* reactor = new ReportReactor<v1::CollectGarbageResponse>(context_);
  engine::GcRequest wish;
  wish.dry_run = request->dry_run();
  if (request->has_to_bytes()) wish.to_bytes = request->to_bytes();
  wish.max_listed = std::min(request->max_listed(), kMaxListed);
  const Method method = wish.dry_run ? Method::kBlobsPlanGarbage : Method::kBlobsCollectGarbage;
  const auto caller = context_.Admit(*call, method, reactor, WeightOfReport(wish.max_listed));
  reactor->Begin(caller.status(), [this, caller, wish](const std::shared_ptr<GcReport>& report) {
    report->SetJob(context_.keeper.Collect(
        wish,
        [report, pace = Pace()](const engine::GcReport& progress) mutable {
          if (pace.IsDue())
            report->Update([&](v1::CollectGarbageResponse& m) { Fill(progress, &m); });
        },
        [this, report, caller = *caller](const Status& status, engine::GcReport result) {
          std::vector<Hash> doubtful = PrivateOnes(result);
          context_.keeper.HiddenFrom(caller, std::move(doubtful),
                                     [report, caller, status, result = std::move(result)](
                                         const engine::Keeper::Hidden& hidden) {
                                       Tell(*report, caller, hidden, status, result);
                                     });
        }));
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::VerifyResponse>* BlobsService::Verify(
    grpc::CallbackServerContext* call, const v1::VerifyRequest* request) {
  auto* reactor = new ReportReactor<v1::VerifyResponse>(context_);
  const auto caller =
      context_.Admit(*call, Method::kBlobsVerify, reactor, WeightOfReport(kMaxFindings));
  Status status = caller.status();
  std::vector<Hash> hashes;
  if (status.ok()) {
    auto parsed = ToHashes(request->hashes());
    status = parsed.status();
    if (parsed.ok()) hashes = *std::move(parsed);
  }
  reactor->Begin(status, [this, caller, hashes = std::move(hashes)](
                             const std::shared_ptr<VerifyReport>& report) mutable {
    report->SetJob(context_.keeper.Verify(std::move(hashes), ListenerFor(report, *caller)));
  });
  return reactor;
}

}  // namespace blobd::rpc
