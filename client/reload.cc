// reload, and config diff: what is written otherwise than it is in force, and what becomes of it.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "client/context.h"
#include "client/sentence.h"
#include "client/table.h"

namespace blobd::client {
namespace {

// What became of a key; with `dry_run` what would.
std::string ResultOf(const v1::ReloadedKey& key, bool dry_run) {
  switch (static_cast<int>(key.result())) {
    case v1::RELOAD_RESULT_APPLIED:
      return dry_run ? "can be reloaded" : "in force";
    case v1::RELOAD_RESULT_NEEDS_RESTART:
      return "needs a restart";
    case v1::RELOAD_RESULT_REFUSED:
      return key.reason().empty() ? "refused" : "refused: " + key.reason();
    default:
      return "unknown";
  }
}

std::string ValueOf(const std::string& value) { return value.empty() ? "default" : value; }

void Print(const Style& style, const v1::ReloadResponse& report, bool dry_run) {
  for (const std::string& warning : report.warnings())
    PrintError("blobctl: {}\n", EscapeForTerminal(warning));
  if (style.is_json()) return PrintJson(style, report);
  if (style.quiet) {
    for (const v1::ReloadedKey& key : report.keys()) PrintOut("{}\n", EscapeForTerminal(key.key()));
    return;
  }
  Table table(
      {"KEY", {dry_run ? "IN FORCE" : "BEFORE", 8, 1}, {"WRITTEN", 8, 2}, {"RESULT", 12, 0}});
  for (const v1::ReloadedKey& key : report.keys())
    table.Add({key.key(), ValueOf(key.before()), ValueOf(key.after()), ResultOf(key, dry_run)});
  table.Print(style, dry_run ? "what is written is in force"
                             : "the configuration was read again; nothing has changed");
  const auto restarts = std::count_if(
      report.keys().begin(), report.keys().end(),
      [](const auto& key) { return key.result() == v1::RELOAD_RESULT_NEEDS_RESTART; });
  if (restarts > 0)
    Say(style, "{} of them {} a restart of blobd.\n", restarts, restarts == 1 ? "needs" : "need");
}

bool IsRefused(const v1::ReloadedKey& key) { return key.result() == v1::RELOAD_RESULT_REFUSED; }

StatusOr<v1::ReloadResponse> ReloadAndPrint(Context& context, bool dry_run) {
  v1::ReloadRequest request;
  request.set_dry_run(dry_run);
  auto report = context.daemon->Reload(request);
  if (report.ok()) Print(context.style, *report, dry_run);
  return report;
}

}  // namespace

int RunConfigDiff(Context& context) {
  const auto report = ReloadAndPrint(context, true);
  return report.ok() ? static_cast<int>(kExitDone) : Fail(report.status());
}

int RunReload(Context& context, const ConfigOptions& options) {
  const auto report = ReloadAndPrint(context, options.dry_run);
  if (!report.ok()) return Fail(report.status());
  const bool refused = std::any_of(report->keys().begin(), report->keys().end(), IsRefused);
  return refused ? kExitFailed : kExitDone;
}

}  // namespace blobd::client
