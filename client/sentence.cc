#include "client/sentence.h"

#include <algorithm>

#include "client/text_width.h"

namespace blobd::client {
namespace {

// Without its line break.
std::string Broken(std::string_view line, size_t columns, size_t indent) {
  std::string text;
  size_t used = 0;    // of the line that is written
  size_t blanks = 0;  // before the next word
  // Where there is no room to indent, a line does not begin further in than those that follow.
  const size_t lead = std::min(line.find_first_not_of(' '), line.size());
  if (indent > 0 && lead > indent) line.remove_prefix(lead - indent);
  while (!line.empty()) {
    const size_t begin = std::min(line.find_first_not_of(' '), line.size());
    blanks += begin;
    line.remove_prefix(begin);
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    if (word.empty()) break;
    const size_t width = WidthOf(word);
    // A word that fits nowhere stays where it is: the terminal breaks it anyway.
    const bool helps = used > 0 && used + blanks > indent && indent + width <= columns;
    if (helps && used + blanks + width > columns) {
      text += "\n" + std::string(indent, ' ');
      used = indent;
      blanks = 0;
    }
    text += std::string(blanks, ' ') + std::string(word);
    used += blanks + width;
    blanks = 0;
  }
  return text;
}

}  // namespace

std::string Fitted(const Style& style, size_t indent, std::string_view text) {
  if (style.columns == 0 || style.full) return std::string(text);
  // What is said keeps more than half of a narrow terminal.
  indent = std::min(indent, style.columns / 3);
  std::string fitted;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    fitted += Broken(text.substr(0, end), style.columns, indent);
    if (end < text.size()) fitted += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fitted;
}

}  // namespace blobd::client
