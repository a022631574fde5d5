"""Days of UTC+8, counted since 1970-01-01. China has no daylight saving time, so a day is 86,400 seconds."""

from typing import Final

from primitives.kinds import Bucket

DAY_SECONDS: Final = 86_400
UTC8_SECONDS: Final = 28_800
CUT_SECONDS: Final = 7_200  # the settlement day begins at 02:00 (D10)


def day_of(time_s: int) -> int:
    """The day of a unix time."""
    return (time_s + UTC8_SECONDS) // DAY_SECONDS


def settlement_day_of(time_s: int) -> int:
    """As day_of, but the day begins at the daily cut."""
    return (time_s + UTC8_SECONDS - CUT_SECONDS) // DAY_SECONDS


def expiry_after(last_day: int) -> int:
    """The unix time from which on points with this last valid day are expired: 00:00 of the day after (D13)."""
    return (last_day + 1) * DAY_SECONDS - UTC8_SECONDS


def issue_expiry(day: int, validity_days: int, bucket: Bucket) -> int:
    """The expiry of points issued on `day`: validity counts from that day, pending included (D13)."""
    last = day + validity_days
    if bucket == "DAY":
        return expiry_after(last)
    year, month, _ = date_of(last)
    if bucket == "YEAR_END" or month == 12:
        return expiry_after(day_number(year + 1, 1, 1) - 1)
    return expiry_after(day_number(year, month + 1, 1) - 1)


def date_of(day: int) -> tuple[int, int, int]:
    """(year, month, day of the month); Howard Hinnant's civil_from_days, exact for any day >= 0."""
    shifted = day + 719_468  # days since 0000-03-01
    era, in_era = divmod(shifted, 146_097)
    year_of_era = (in_era - in_era // 1460 + in_era // 36_524 - in_era // 146_096) // 365
    in_year = in_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * in_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, in_year - (153 * shifted_month + 2) // 5 + 1


def day_number(year: int, month: int, day: int) -> int:
    """The inverse of date_of; Howard Hinnant's days_from_civil."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    in_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + in_year - 719_468
