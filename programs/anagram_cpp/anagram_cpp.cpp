// Words that are made of the same letters, ladders of words that differ in one
// letter, and what completes a prefix: ranges, views, hash maps and a trie.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <queue>
#include <ranges>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

std::vector<std::string> dictionary(std::uint32_t count, std::uint32_t state)
{
    auto draw = [&state](std::uint32_t below) {
        state = state * 22695477u + 1u;
        return (state >> 11) % below;
    };
    constexpr std::string_view vowels = "aeiou", others = "bdklmnprst";
    std::set<std::string> words;
    for (std::uint32_t tries = 0; words.size() < count && tries < 20 * count + 100; tries++) {
        std::string word;
        for (std::uint32_t letter = 0, length = 3 + draw(4); letter < length; letter++)
            word += letter % 2 ? vowels[draw(5)] : others[draw(10)];
        words.insert(std::move(word));
    }
    return {words.begin(), words.end()};
}

std::string signature(std::string word)
{
    std::ranges::sort(word);
    return word;
}

class Trie {
public:
    void insert(std::string_view word)
    {
        Node *node = &root_;
        for (char letter : word) {
            auto &next = node->next[static_cast<std::size_t>(letter - 'a')];
            if (!next)
                next = std::make_unique<Node>();
            node = next.get();
            node->below++;
        }
        node->ends = true;
    }
    std::vector<std::string> complete(const std::string &prefix, std::size_t most) const
    {
        std::vector<std::string> found;
        const Node *node = &root_;
        for (char letter : prefix) {
            node = node->next[static_cast<std::size_t>(letter - 'a')].get();
            if (!node)
                return found;
        }
        collect(*node, prefix, most, found);
        return found;
    }

private:
    struct Node {
        std::unique_ptr<Node> next[26];
        std::uint32_t below = 0;
        bool ends = false;
    };
    static void collect(const Node &node, const std::string &text, std::size_t most, std::vector<std::string> &found)
    {
        if (found.size() >= most)
            return;
        if (node.ends)
            found.push_back(text);
        for (std::size_t letter = 0; letter < 26; letter++)
            if (node.next[letter])
                collect(*node.next[letter], text + static_cast<char>('a' + letter), most, found);
    }
    Node root_;
};

class Ladders {
public:
    explicit Ladders(const std::vector<std::string> &words)
    {
        for (const std::string &word : words)
            for (std::string &pattern : patterns(word))
                by_pattern_[std::move(pattern)].push_back(word);
    }
    std::vector<std::string> find(const std::string &from, const std::string &to) const
    {
        std::unordered_map<std::string, std::string> came_from{{from, ""}};
        std::queue<std::string> waiting;
        waiting.push(from);
        while (!waiting.empty() && !came_from.contains(to)) {
            std::string word = std::move(waiting.front());
            waiting.pop();
            for (const std::string &pattern : patterns(word))
                for (const std::string &next : by_pattern_.at(pattern))
                    if (came_from.try_emplace(next, word).second)
                        waiting.push(next);
        }
        std::vector<std::string> path;
        if (came_from.contains(to))
            for (std::string word = to; !word.empty(); word = came_from.at(word))
                path.push_back(word);
        std::ranges::reverse(path);
        return path;
    }

private:
    static std::vector<std::string> patterns(const std::string &word)
    {
        std::vector<std::string> found(word.size(), word);
        for (std::size_t i = 0; i < word.size(); i++)
            found[i][i] = '.';
        return found;
    }
    std::unordered_map<std::string, std::vector<std::string>> by_pattern_;
};

std::string joined(const std::vector<std::string> &words, std::string_view between)
{
    std::ostringstream out;
    for (bool first = true; const std::string &word : words) {
        out << (first ? "" : between) << word;
        first = false;
    }
    return out.str();
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: anagram_cpp WORDS LADDERS SEED\n";
        return 2;
    }
    auto words = dictionary(static_cast<std::uint32_t>(std::atoi(argv[1])), static_cast<std::uint32_t>(std::atoi(argv[3])));
    std::unordered_map<std::string, std::vector<std::string>> groups;
    Trie trie;
    for (const std::string &word : words) {
        groups[signature(word)].push_back(word);
        trie.insert(word);
    }
    std::vector<std::pair<std::size_t, std::string>> large;
    for (const auto &[letters, members] : groups)
        if (members.size() > 1)
            large.emplace_back(members.size(), letters);
    std::ranges::sort(large, [](const auto &a, const auto &b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::cout << words.size() << " words, " << large.size() << " groups\n";
    for (const auto &entry : large | std::views::take(5))
        std::cout << joined(groups.at(entry.second), " ") << '\n';
    for (const char *prefix : {"ka", "to", "re", "zz"})
        std::cout << prefix << ": " << joined(trie.complete(prefix, 5), ", ") << '\n';
    auto is_palindrome = [](const std::string &word) { return std::ranges::equal(word, word | std::views::reverse); };
    auto palindromes = words | std::views::filter(is_palindrome) | std::views::transform(&std::string::size);
    std::size_t letters = 0;
    for (std::size_t size : palindromes)
        letters += size;
    std::cout << "letters of palindromes " << letters << '\n';
    Ladders ladders(words);
    std::size_t found = 0, steps = 0;
    std::vector<std::string> longest;
    for (int i = 0; i < std::atoi(argv[2]) && words.size() > 1; i++) {
        const std::string &from = words[static_cast<std::size_t>(i) * 7919 % words.size()];
        const std::string &to = words[static_cast<std::size_t>(i) * 104729 % words.size()];
        auto path = ladders.find(from, to);
        found += !path.empty();
        steps += path.size();
        if (path.size() > longest.size())
            longest = std::move(path);
    }
    std::cout << found << " ladders, " << steps << " steps, longest " << longest.size() << '\n';
    return 0;
}
