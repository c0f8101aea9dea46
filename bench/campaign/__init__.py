"""The campaign: experiments of many trials, each of which must end as is promised.

    python -m bench.campaign [--trials N] [--room FOLDER] [--record FILE] [NAME ...]

Every trial is a function of its experiment's name and its number, runs in a process of its own with
a limit on time, and fails if it raises. What was done is written into campaign.json in the folder,
or into `--record`, after every few trials, and is gone on with by the next call; `--anew` begins
again. What is published is docs/results/reliability/campaign.json. No failure in N trials bounds
the rate of failures at about 3 / N, with 95 % confidence.
"""
