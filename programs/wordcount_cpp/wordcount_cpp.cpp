// Counts the words of a text that is made up, and prints a report: the most
// frequent words, how long words are, and which words follow which.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 2862933555777941757u + 3037000493u) {}
    std::uint32_t below(std::uint32_t limit)
    {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>((state_ >> 33) % limit);
    }

private:
    std::uint64_t state_;
};

// Words of one to four syllables; low numbers are drawn far more often.
std::string make_word(Random &random)
{
    static const std::vector<std::string> syllables = {"ka", "to", "ri", "men", "sol", "da", "vi", "lor",
                                                       "be", "nu", "shi", "par", "gol", "e", "an", "tis"};
    std::string word;
    std::uint32_t range = 2 + random.below(15);
    for (std::uint32_t n = 1 + random.below(4); n; n--)
        word += syllables[random.below(range)];
    return word;
}

std::string make_text(std::uint32_t words, std::uint64_t seed)
{
    Random random(seed);
    std::ostringstream text;
    bool first = true;
    for (std::uint32_t i = 0; i < words; i++) {
        std::string word = make_word(random);
        if (first)
            word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
        text << word;
        first = random.below(9) == 0;
        if (first)
            text << (random.below(5) ? "." : "!") << (random.below(4) ? ' ' : '\n');
        else
            text << (random.below(12) ? " " : ", ");
    }
    return text.str();
}

std::string normalised(const std::string &word)
{
    std::string result;
    std::copy_if(word.begin(), word.end(), std::back_inserter(result),
                 [](unsigned char c) { return std::isalpha(c) != 0; });
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

struct Report {
    std::unordered_map<std::string, std::uint32_t> counts;
    std::map<std::size_t, std::uint32_t> lengths;
    std::map<std::string, std::set<std::string>> followers;
    std::size_t sentences = 0, lines = 0;

    void read(const std::string &text)
    {
        std::istringstream input(text);
        std::string line, last;
        while (std::getline(input, line)) {
            lines++;
            std::istringstream words(line);
            std::string word;
            while (words >> word) {
                std::string plain = normalised(word);
                if (plain.empty())
                    continue;
                counts[plain]++;
                lengths[plain.size()]++;
                if (!last.empty() && last.size() <= 3)
                    followers[last].insert(plain);
                bool ends = word.back() == '.' || word.back() == '!';
                sentences += ends;
                last = ends ? std::string() : plain;
            }
        }
    }

    void print(std::ostream &out) const
    {
        std::vector<std::pair<std::string, std::uint32_t>> sorted(counts.begin(), counts.end());
        std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) {
            return a.second != b.second ? a.second > b.second : a.first < b.first;
        });
        std::uint64_t total = std::accumulate(sorted.begin(), sorted.end(), std::uint64_t(0),
                                              [](std::uint64_t sum, const auto &entry) { return sum + entry.second; });
        out << total << " words, " << sorted.size() << " different, " << sentences << " sentences, " << lines
            << " lines\n";
        for (std::size_t i = 0; i < std::min<std::size_t>(sorted.size(), 8); i++)
            out << std::setw(14) << std::left << sorted[i].first << std::setw(7) << std::right << sorted[i].second
                << std::setw(7) << std::fixed << std::setprecision(2)
                << 100.0 * sorted[i].second / static_cast<double>(total) << "%\n";
        for (const auto &[length, count] : lengths)
            out << "length " << std::setw(2) << length << ": " << count << '\n';
        auto richest = std::max_element(followers.begin(), followers.end(), [](const auto &a, const auto &b) {
            return a.second.size() < b.second.size();
        });
        if (richest != followers.end())
            out << "after \"" << richest->first << "\" come " << richest->second.size() << " words, the first is \""
                << *richest->second.begin() << "\"\n";
    }
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3 || std::atoi(argv[1]) < 0) {
        std::cerr << "usage: wordcount_cpp WORDS SEED\n";
        return 2;
    }
    Report report;
    report.read(make_text(static_cast<std::uint32_t>(std::atoi(argv[1])), std::strtoull(argv[2], nullptr, 10)));
    report.print(std::cout);
    return 0;
}
