-- Takes away the ranks of albums on one UTC day, before that day is written anew; other days are history.
delete from deezer.track_ranks
where album_id = any(:album_ids) and measured_on = :measured_on
