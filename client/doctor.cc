// doctor: looks at everything that a user of blobd stumbles over, and says what to do about it.
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <grpcpp/client_context.h>

#include <chrono>

#include "base/utf8.h"
#include "blobd/v1/admin.grpc.pb.h"
#include "client/client.h"
#include "client/context.h"
#include "client/doctor_daemon.h"
#include "client/doctor_machine.h"
#include "client/sentence.h"
#include "client/version.h"

namespace blobd::client {
namespace {

// A daemon that takes longer is one of the things to find.
constexpr std::chrono::seconds kMostForAnAnswer(10);
// The column where it is told what was found, behind the verdict and the check.
constexpr size_t kSaidAt = 19;

void Append(Findings more, Findings* findings) {
  for (Finding& finding : more) findings->push_back(std::move(finding));
}

// What the daemon says, and the names that it looks up.
void AskDaemon(Context& context, Findings* findings) {
  Client::Options options;
  options.socket = context.socket;
  options.timeout = kMostForAnAnswer;
  const auto client = Client::Connect(options);
  const auto unreachable = [&](const Status& status) {
    findings->push_back(Problem("daemon", "blobd does not answer: " + Message(status),
                                "its journal says more: \"journalctl -u blobd\""));
  };
  if (!client.ok()) return unreachable(client.status());
  context.interrupt.OnInterrupt([&client] { (*client)->Interrupt(); });
  const auto admin = v1::Admin::NewStub((*client)->channel());
  v1::StatusResponse status;
  const Status answered = (*client)->Call(Repeat::kSafe, [&](grpc::ClientContext* call) {
    return admin->Status(call, v1::StatusRequest(), &status);
  });
  v1::GetConfigRequest lookup_only;
  lookup_only.set_prefix("lookup");
  v1::GetConfigResponse config;
  // An older daemon does not tell; then no name is asked for.
  const Status told = (*client)->Call(Repeat::kSafe, [&](grpc::ClientContext* call) {
    return admin->GetConfig(call, lookup_only, &config);
  });
  context.interrupt.OnInterrupt(nullptr);
  if (!answered.ok()) return unreachable(answered);
  Append(JudgeDaemon(status, kVersion, SystemClock().WallNow()), findings);
  Append(CheckPorts({status.listen_addresses().begin(), status.listen_addresses().end()}),
         findings);
  if (!told.ok()) return;
  for (const std::string& name : LookedUpNames(config)) findings->push_back(CheckName(name));
}

std::string WordOf(Finding::Verdict verdict) {
  switch (verdict) {
    case Finding::Verdict::kOk:
      return "ok";
    case Finding::Verdict::kWarning:
      return "warning";
    case Finding::Verdict::kProblem:
      return "problem";
  }
  return "";
}

int CountOf(const Findings& findings, Finding::Verdict verdict) {
  int count = 0;
  for (const Finding& finding : findings) count += finding.verdict == verdict ? 1 : 0;
  return count;
}

void PrintAsJson(const Style& style, const Findings& findings) {
  google::protobuf::Struct all;
  auto& fields = *all.mutable_fields();
  fields["problems"].set_number_value(CountOf(findings, Finding::Verdict::kProblem));
  fields["warnings"].set_number_value(CountOf(findings, Finding::Verdict::kWarning));
  auto& list = *fields["findings"].mutable_list_value();
  for (const Finding& finding : findings) {
    auto& each = *list.add_values()->mutable_struct_value()->mutable_fields();
    each["check"].set_string_value(finding.check);
    each["verdict"].set_string_value(WordOf(finding.verdict));
    each["said"].set_string_value(finding.said);
    each["next"].set_string_value(finding.next);
  }
  PrintJson(style, all);
}

void Print(const Style& style, const Findings& findings) {
  for (const Finding& finding : findings) {
    const bool is_well = finding.verdict == Finding::Verdict::kOk;
    if (style.quiet && is_well) continue;
    const std::string word = WordOf(finding.verdict);
    const std::string line = Fitted(
        style, kSaidAt,
        fmt::format("{:7}  {:8}  {}\n", word, finding.check, EscapeForTerminal(finding.said)));
    WriteOutput(Painted(style, word) + line.substr(word.size()));
    if (!finding.next.empty())
      SayHanging(style, kSaidAt, "{:{}}{}\n", "", kSaidAt, EscapeForTerminal(finding.next));
  }
  if (style.quiet) return;
  const int problems = CountOf(findings, Finding::Verdict::kProblem);
  const int warnings = CountOf(findings, Finding::Verdict::kWarning);
  PrintOut("{} {}, {} {}\n", problems, problems == 1 ? "problem" : "problems", warnings,
           warnings == 1 ? "warning" : "warnings");
}

}  // namespace

int RunDoctor(Context& context) {
  Findings findings = CheckSocket(context.socket);
  const bool reachable = findings.front().verdict == Finding::Verdict::kOk;
  Append(CheckService(context.socket), &findings);
  if (reachable) AskDaemon(context, &findings);
  if (context.interrupt.happened()) return kExitInterrupted;
  Append(CheckInterface(), &findings);
  Append(CheckBuffers(), &findings);
  Append(CheckClock(), &findings);
  if (context.style.is_json()) {
    PrintAsJson(context.style, findings);
  } else {
    Print(context.style, findings);
  }
  return CountOf(findings, Finding::Verdict::kProblem) == 0 ? kExitDone : kExitFailed;
}

}  // namespace blobd::client
