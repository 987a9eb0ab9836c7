// Poker hands: cards are shuffled and dealt, the best five of seven are found,
// and what won is counted.
#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

struct Card {
    std::uint8_t rank, suit; // 0 is a two, 12 an ace
    friend bool operator<(Card a, Card b) { return std::tie(a.rank, a.suit) < std::tie(b.rank, b.suit); }
};

std::ostream &operator<<(std::ostream &out, Card card)
{
    return out << "23456789TJQKA"[card.rank] << "cdhs"[card.suit];
}

Card parsed(const std::string &text)
{
    static const std::string ranks = "23456789TJQKA", suits = "cdhs";
    auto rank = text.size() == 2 ? ranks.find(text[0]) : std::string::npos;
    auto suit = text.size() == 2 ? suits.find(text[1]) : std::string::npos;
    if (rank == std::string::npos || suit == std::string::npos)
        throw std::invalid_argument("no card: " + text);
    return {static_cast<std::uint8_t>(rank), static_cast<std::uint8_t>(suit)};
}

enum class Category { high_card, pair, two_pairs, three, straight, flush, full_house, four, straight_flush };

const char *name_of(Category category)
{
    static constexpr std::array<const char *, 9> names = {"high card", "pair",       "two pairs", "three of a kind",
                                                          "straight",  "flush",      "full house", "four of a kind",
                                                          "straight flush"};
    return names.at(static_cast<std::size_t>(category));
}

struct Value {
    Category category = Category::high_card;
    std::vector<std::uint8_t> ranks; // the most telling first
    friend bool operator<(const Value &a, const Value &b)
    {
        return std::tie(a.category, a.ranks) < std::tie(b.category, b.ranks);
    }
    friend bool operator==(const Value &a, const Value &b)
    {
        return std::tie(a.category, a.ranks) == std::tie(b.category, b.ranks);
    }
};

using Hand = std::array<Card, 5>;

Value value_of(const Hand &hand)
{
    std::map<std::uint8_t, int, std::greater<>> counts;
    std::bitset<13> ranks;
    for (Card card : hand) {
        counts[card.rank]++;
        ranks.set(card.rank);
    }
    std::vector<std::pair<int, std::uint8_t>> groups;
    for (const auto &[rank, count] : counts)
        groups.emplace_back(count, rank);
    std::sort(groups.rbegin(), groups.rend());
    bool flush = std::all_of(hand.begin(), hand.end(), [&](Card card) { return card.suit == hand[0].suit; });
    Value value;
    for (const auto &group : groups)
        value.ranks.push_back(group.second);
    std::bitset<13> wheel(0x100fu); // an ace below a two
    bool straight = groups.size() == 5 && (value.ranks.front() - value.ranks.back() == 4 || ranks == wheel);
    if (straight)
        value.ranks = {static_cast<std::uint8_t>(ranks == wheel ? 3 : value.ranks.front())};
    if (straight && flush)
        value.category = Category::straight_flush;
    else if (groups[0].first == 4)
        value.category = Category::four;
    else if (groups[0].first == 3 && groups[1].first == 2)
        value.category = Category::full_house;
    else if (flush)
        value.category = Category::flush;
    else if (straight)
        value.category = Category::straight;
    else if (groups[0].first == 3)
        value.category = Category::three;
    else if (groups[0].first == 2)
        value.category = groups[1].first == 2 ? Category::two_pairs : Category::pair;
    return value;
}

// Of seven cards, by leaving out two.
Value best_of(const std::vector<Card> &cards)
{
    std::vector<bool> left_out(cards.size());
    std::fill(left_out.begin(), left_out.begin() + 2, true);
    Value best;
    bool first = true;
    do {
        Hand hand{};
        std::size_t place = 0;
        for (std::size_t i = 0; i < cards.size(); i++)
            if (!left_out[i])
                hand.at(place++) = cards[i];
        Value value = value_of(hand);
        if (first || best < value)
            best = std::move(value);
        first = false;
    } while (std::prev_permutation(left_out.begin(), left_out.end()));
    return best;
}

class Deck {
public:
    explicit Deck(unsigned seed) : random_(seed)
    {
        for (std::uint8_t suit = 0; suit < 4; suit++)
            for (std::uint8_t rank = 0; rank < 13; rank++)
                cards_.push_back({rank, suit});
    }
    // std::shuffle may differ between libraries.
    void shuffle()
    {
        for (std::size_t i = cards_.size(); i > 1; i--)
            std::swap(cards_[i - 1], cards_[random_() % i]);
        next_ = 0;
    }
    std::vector<Card> deal(std::size_t count)
    {
        if (next_ + count > cards_.size())
            throw std::length_error("the deck is empty");
        std::vector<Card> dealt(cards_.begin() + static_cast<std::ptrdiff_t>(next_),
                                cards_.begin() + static_cast<std::ptrdiff_t>(next_ + count));
        next_ += count;
        return dealt;
    }

private:
    std::mt19937 random_;
    std::vector<Card> cards_;
    std::size_t next_ = 0;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: poker_cpp ROUNDS PLAYERS SEED\n";
        return 2;
    }
    std::istringstream known("As Ks Qs Js Ts|5h 4d 3c 2s Ah|9c 9d 9h 9s 2c|7c 7d 7h 2s 2d|Xx");
    for (std::string text; std::getline(known, text, '|');) {
        try {
            std::istringstream words(text);
            Hand hand{};
            std::string word;
            for (Card &card : hand)
                card = words >> word ? parsed(word) : throw std::invalid_argument("too few cards");
            std::sort(hand.begin(), hand.end());
            std::cout << hand.front() << " to " << hand.back() << ": " << name_of(value_of(hand).category) << '\n';
        } catch (const std::invalid_argument &error) {
            std::cout << error.what() << '\n';
        }
    }
    Deck deck(static_cast<unsigned>(std::atoi(argv[3])));
    std::map<Category, std::pair<int, int>> seen; // shown, won
    int split = 0, rounds = std::atoi(argv[1]), empty = 0;
    for (int round = 0; round < rounds; round++) {
        deck.shuffle();
        auto table = deck.deal(5);
        std::vector<Value> values;
        try {
            for (int player = 0; player < std::atoi(argv[2]); player++) {
                auto cards = deck.deal(2);
                cards.insert(cards.end(), table.begin(), table.end());
                values.push_back(best_of(cards));
            }
        } catch (const std::length_error &) {
            empty++;
        }
        if (values.empty())
            continue;
        const Value best = *std::max_element(values.begin(), values.end());
        for (const Value &value : values)
            seen[value.category].first++;
        auto winners = std::count(values.begin(), values.end(), best);
        split += winners > 1;
        seen[best.category].second += winners == 1;
    }
    for (const auto &[category, counts] : seen)
        std::cout << std::left << std::setw(16) << name_of(category) << std::right << std::setw(8) << counts.first
                  << std::setw(8) << counts.second << '\n';
    std::cout << "split " << split << " empty " << empty << '\n';
    return 0;
}
