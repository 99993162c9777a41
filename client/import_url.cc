// import: a file from a web server whose hash is not known yet.
#include <fmt/format.h>

#include <cstdio>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/progress_line.h"
#include "client/sentence.h"

namespace blobd::client {

int RunImport(Context& context, const ImportOptions& options) {
  v1::ImportUrlRequest request;
  request.set_url(options.url);
  request.set_is_private(options.is_private);
  request.set_max_bytes(options.max_bytes);
  ProgressLine progress(!context.style.quiet && !context.style.is_json());
  v1::ImportUrlResponse last;
  const Status status =
      context.daemon->ImportUrl(request, [&](const v1::ImportUrlResponse& message) {
        progress.Show("importing", message.received_bytes(), message.total_bytes());
        last = message;
      });
  progress.Clear();
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, last);
  } else if (context.style.quiet) {
    PrintOut("{}\n", last.hash());
  } else {
    Say(context.style, "{} {} {}\n", last.hash(), FormatSize(last.total_bytes()),
        EscapeForTerminal(options.url));
  }
  return kExitDone;
}

}  // namespace blobd::client
