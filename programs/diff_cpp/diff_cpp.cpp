// Compares texts line by line: the longest common subsequence, hunks as a
// unified diff has them, and a patch that gives the other text again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <numeric>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using Lines = std::vector<std::string>;

enum class Kind : char { same = ' ', removed = '-', added = '+' };

struct Change {
    Kind kind;
    std::string text;
};

Lines lines_of(const std::string &text)
{
    std::istringstream input(text);
    Lines lines;
    for (std::string line; std::getline(input, line);)
        lines.push_back(line);
    return lines;
}

// Equal lines have equal numbers.
std::vector<std::uint32_t> numbered(const Lines &lines, std::unordered_map<std::string_view, std::uint32_t> &known)
{
    std::vector<std::uint32_t> numbers;
    std::transform(lines.begin(), lines.end(), std::back_inserter(numbers), [&known](const std::string &line) {
        return known.try_emplace(line, static_cast<std::uint32_t>(known.size())).first->second;
    });
    return numbers;
}

std::vector<Change> compared(const Lines &before, const Lines &after)
{
    std::unordered_map<std::string_view, std::uint32_t> known;
    auto a = numbered(before, known), b = numbered(after, known);
    std::vector<std::vector<std::uint16_t>> common(a.size() + 1, std::vector<std::uint16_t>(b.size() + 1));
    for (std::size_t i = a.size(); i-- > 0;)
        for (std::size_t j = b.size(); j-- > 0;)
            common[i][j] = a[i] == b[j] ? static_cast<std::uint16_t>(common[i + 1][j + 1] + 1)
                                        : std::max(common[i + 1][j], common[i][j + 1]);
    std::vector<Change> changes;
    std::size_t i = 0, j = 0;
    while (i < a.size() || j < b.size()) {
        if (i < a.size() && j < b.size() && a[i] == b[j]) {
            changes.push_back({Kind::same, before[i]});
            i++;
            j++;
        } else if (j == b.size() || (i < a.size() && common[i + 1][j] >= common[i][j + 1])) {
            changes.push_back({Kind::removed, before[i++]});
        } else {
            changes.push_back({Kind::added, after[j++]});
        }
    }
    return changes;
}

struct Hunk {
    std::size_t before_line = 0, after_line = 0, before_count = 0, after_count = 0;
    std::vector<Change> changes;
    friend std::ostream &operator<<(std::ostream &out, const Hunk &hunk)
    {
        out << "@@ -" << hunk.before_line << ',' << hunk.before_count << " +" << hunk.after_line << ','
            << hunk.after_count << " @@\n";
        for (const Change &change : hunk.changes)
            out << static_cast<char>(change.kind) << change.text << '\n';
        return out;
    }
};

std::vector<Hunk> hunks_of(const std::vector<Change> &changes, std::size_t context)
{
    std::vector<bool> shown(changes.size());
    for (std::size_t i = 0; i < changes.size(); i++)
        if (changes[i].kind != Kind::same)
            for (std::size_t k = i < context ? 0 : i - context; k <= std::min(i + context, changes.size() - 1); k++)
                shown[k] = true;
    std::vector<Hunk> hunks;
    std::optional<Hunk> open;
    std::size_t before = 1, after = 1;
    for (std::size_t i = 0; i < changes.size(); i++) {
        if (shown[i] && !open)
            open = Hunk{before, after, 0, 0, {}};
        if (!shown[i] && open)
            hunks.push_back(*std::exchange(open, std::nullopt));
        bool in_before = changes[i].kind != Kind::added, in_after = changes[i].kind != Kind::removed;
        before += in_before;
        after += in_after;
        if (open) {
            open->changes.push_back(changes[i]);
            open->before_count += in_before;
            open->after_count += in_after;
        }
    }
    if (open)
        hunks.push_back(*open);
    return hunks;
}

Lines patched(const Lines &before, const std::vector<Hunk> &hunks)
{
    Lines result;
    auto at = before.begin();
    for (const Hunk &hunk : hunks) {
        auto start = before.begin() + static_cast<std::ptrdiff_t>(hunk.before_line - 1);
        result.insert(result.end(), at, start);
        at = start;
        for (const Change &change : hunk.changes) {
            if (change.kind != Kind::added && (at == before.end() || *at++ != change.text))
                throw std::runtime_error("the patch does not fit: " + change.text);
            if (change.kind != Kind::removed)
                result.push_back(change.text);
        }
    }
    result.insert(result.end(), at, before.end());
    return result;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: diff_cpp LINES ROUNDS SEED\n";
        return 2;
    }
    std::uint32_t state = static_cast<std::uint32_t>(std::atoi(argv[3])) | 1u;
    auto draw = [&state](std::uint32_t below) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return state % below;
    };
    std::ostringstream made;
    for (int i = std::atoi(argv[1]); i > 0; i--)
        made << "line " << draw(40) << " of " << std::string(draw(5), '*') << "\n";
    Lines text = lines_of(made.str());
    std::size_t hunks_made = 0, changed = 0, misfits = 0;
    for (int round = 0; round < std::atoi(argv[2]); round++) {
        Lines other = text;
        for (std::uint32_t edits = 1 + draw(12); edits && !other.empty(); edits--) {
            auto place = other.begin() + static_cast<std::ptrdiff_t>(draw(static_cast<std::uint32_t>(other.size())));
            switch (draw(3)) {
            case 0: other.erase(place); break;
            case 1: other.insert(place, "new " + std::to_string(draw(1000))); break;
            default: std::iter_swap(place, other.begin());
            }
        }
        auto changes = compared(text, other);
        auto hunks = hunks_of(changes, 2);
        hunks_made += hunks.size();
        changed += static_cast<std::size_t>(
            std::count_if(changes.begin(), changes.end(), [](const Change &c) { return c.kind != Kind::same; }));
        if (patched(text, hunks) != other)
            std::cout << "round " << round << ": the patch gives another text\n";
        try {
            patched(other, hunks);
        } catch (const std::runtime_error &) {
            misfits++;
        }
        if (round == 0)
            std::copy(hunks.begin(), hunks.end(), std::ostream_iterator<Hunk>(std::cout));
        text = std::move(other);
    }
    std::size_t letters = std::accumulate(text.begin(), text.end(), std::size_t(0),
                                          [](std::size_t sum, const std::string &line) { return sum * 31 + line.size(); });
    std::cout << hunks_made << " hunks, " << changed << " changed lines, " << misfits << " misfits, " << text.size()
              << " lines, sum " << letters << '\n';
    return 0;
}
