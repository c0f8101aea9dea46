"""The campaign: experiments of many trials, each of which must end as is promised.

    python -m bench.campaign [--trials N] [--room FOLDER] [NAME ...]

Every trial is a function of its experiment's name and its number, runs in a process of its own with
a limit on time, and fails if it raises. What was done is written into campaign.json in the folder
after every few trials, and the next call goes on from there. What is published is a copy of it,
docs/results/reliability/campaign.json. No failure in N trials bounds the rate of failures at about
3 / N, with 95 % confidence.
"""
