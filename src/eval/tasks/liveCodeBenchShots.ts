/** Three small problems with solutions, which show a base model the form of LiveCodeBench's: two programs on standard input, one method. */
import type { Doc } from "../taskFile.js";

export const liveCodeBenchShots: readonly Doc[] = [
  {
    question_content: `A gardener has N pots in a row; pot i holds A_i flowers. She may take one flower from any pot, as often as she
likes, until all pots hold an even number of flowers. Print the smallest number of flowers that she takes.

Input: the first line has N (1 <= N <= 100), the second A_1 ... A_N (0 <= A_i <= 1000).

Example input:
4
3 2 0 5

Example output:
2`,
    starter_code: "",
    solution: `n = int(input())
pots = list(map(int, input().split()))
print(sum(pot % 2 for pot in pots))
`,
  },
  {
    question_content: `Given a list of integers nums and an integer k, return the number of pairs (i, j) with i < j whose
values differ by exactly k.

Example: nums = [1, 3, 5, 3], k = 2 gives 4.`,
    starter_code: `class Solution:
    def countPairs(self, nums: List[int], k: int) -> int:
        `,
    solution: `class Solution:
    def countPairs(self, nums: List[int], k: int) -> int:
        count = 0
        for j in range(len(nums)):
            for i in range(j):
                if abs(nums[i] - nums[j]) == k:
                    count += 1
        return count
`,
  },
  {
    question_content: `A path of stones has heights H_1 ... H_N. From stone i a frog jumps to stone i + 1 or i + 2; a jump costs
the difference of the two heights. Print the least cost of going from the first stone to the last.

Input: the first line has N (2 <= N <= 100000), the second H_1 ... H_N (1 <= H_i <= 10000).

Example input:
4
10 30 40 20

Example output:
30`,
    starter_code: "",
    solution: `n = int(input())
heights = list(map(int, input().split()))
before, here = 0, abs(heights[1] - heights[0])
for i in range(2, n):
    one = here + abs(heights[i] - heights[i - 1])
    two = before + abs(heights[i] - heights[i - 2])
    before, here = here, min(one, two)
print(here)
`,
  },
];
