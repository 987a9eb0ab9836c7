// Polynomials in several variables, sparse, with whole numbers as coefficients:
// sums, products, derivatives and printing, as a small computer algebra has it.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t variables = 3;
constexpr std::uint64_t modulus = 1000003;
using Powers = std::array<std::uint8_t, variables>;

class Polynomial {
public:
    Polynomial() = default;
    explicit Polynomial(std::uint64_t constant) { add(Powers{}, constant); }
    static Polynomial variable(std::size_t which)
    {
        Powers powers{};
        powers.at(which) = 1;
        Polynomial result;
        result.add(powers, 1);
        return result;
    }

    Polynomial &operator+=(const Polynomial &other)
    {
        for (const auto &[powers, factor] : other.terms_)
            add(powers, factor);
        return *this;
    }
    friend Polynomial operator+(Polynomial a, const Polynomial &b) { return a += b; }
    friend Polynomial operator*(const Polynomial &a, const Polynomial &b)
    {
        Polynomial result;
        for (const auto &[left, x] : a.terms_)
            for (const auto &[right, y] : b.terms_) {
                Powers powers;
                std::transform(left.begin(), left.end(), right.begin(), powers.begin(),
                               [](unsigned p, unsigned q) { return static_cast<std::uint8_t>(p + q); });
                if (std::accumulate(powers.begin(), powers.end(), 0u) > max_degree)
                    throw std::overflow_error("degree over " + std::to_string(max_degree));
                result.add(powers, x * y);
            }
        return result;
    }
    friend bool operator==(const Polynomial &a, const Polynomial &b) { return a.terms_ == b.terms_; }

    Polynomial derivative(std::size_t which) const
    {
        Polynomial result;
        for (const auto &[powers, factor] : terms_)
            if (std::uint64_t power = powers.at(which)) {
                Powers lower = powers;
                lower[which]--;
                result.add(lower, factor * power);
            }
        return result;
    }
    std::uint64_t at(const std::array<std::uint64_t, variables> &point) const
    {
        std::uint64_t sum = 0;
        for (const auto &[powers, factor] : terms_) {
            std::uint64_t term = factor;
            for (std::size_t v = 0; v < variables; v++)
                for (unsigned p = 0; p < powers[v]; p++)
                    term = term * point[v] % modulus;
            sum = (sum + term) % modulus;
        }
        return sum;
    }
    std::size_t size() const { return terms_.size(); }

    friend std::ostream &operator<<(std::ostream &out, const Polynomial &p)
    {
        bool first = true;
        for (auto it = p.terms_.rbegin(); it != p.terms_.rend(); ++it) {
            out << (first ? "" : " + ") << it->second;
            for (std::size_t v = 0; v < variables; v++)
                if (it->first[v])
                    out << '*' << "xyz"[v] << (it->first[v] > 1 ? "^" + std::to_string(it->first[v]) : "");
            first = false;
        }
        return first ? out << '0' : out;
    }

private:
    static constexpr unsigned max_degree = 40;
    void add(const Powers &powers, std::uint64_t factor)
    {
        std::uint64_t &place = terms_[powers];
        place = (place + factor) % modulus;
        if (place == 0)
            terms_.erase(powers);
    }
    std::map<Powers, std::uint64_t> terms_;
};

Polynomial power(const Polynomial &base, unsigned exponent)
{
    Polynomial result(1);
    for (unsigned i = 0; i < exponent; i++)
        result = result * base;
    return result;
}

std::string shortened(const Polynomial &p, std::size_t width)
{
    std::ostringstream out;
    out << p;
    std::string text = out.str();
    return text.size() <= width ? text : text.substr(0, width) + "...";
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: polynomial_cpp EXPONENT ROUNDS\n";
        return 2;
    }
    unsigned exponent = static_cast<unsigned>(std::atoi(argv[1]));
    auto x = Polynomial::variable(0), y = Polynomial::variable(1), z = Polynomial::variable(2);
    std::vector<Polynomial> known;
    std::uint64_t sum = 0;
    for (unsigned round = 0; round < static_cast<unsigned>(std::atoi(argv[2])); round++) {
        Polynomial base = x + Polynomial(round + 1) * y + z * z + Polynomial(3);
        try {
            Polynomial p = power(base, exponent + round % 3);
            // The rule for products: (p * base)' is p' * base + p * base'.
            Polynomial left = (p * base).derivative(2);
            Polynomial right = p.derivative(2) * base + p * base.derivative(2);
            if (!(left == right))
                std::cout << "the rule for products does not hold\n";
            sum = (sum * 31 + left.at({round + 2, 5, 7})) % modulus;
            known.push_back(std::move(p));
        } catch (const std::overflow_error &error) {
            std::cout << "round " << round << ": " << error.what() << '\n';
        }
    }
    std::sort(known.begin(), known.end(), [](const Polynomial &a, const Polynomial &b) { return a.size() < b.size(); });
    for (const Polynomial &p : known)
        sum = (sum * 31 + p.size()) % modulus;
    std::cout << "known " << known.size() << " largest " << (known.empty() ? 0 : known.back().size()) << " sum " << sum
              << '\n'
              << shortened(power(x + y + Polynomial(1), 3), 200) << '\n'
              << shortened(power(x + y + z, exponent), 60) << '\n';
    return 0;
}
