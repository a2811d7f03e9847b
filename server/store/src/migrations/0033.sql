-- The nonspacing marks of a skeleton are sorted. If another account has the sorted one already, the
-- two look alike, and skeletons are unique: this one keeps the unsorted one. Both keep their names,
-- but only one of them can be used at a time.
UPDATE OR IGNORE accounts SET name_skeleton = sorted_marks(name_skeleton)
    WHERE name_skeleton GLOB '*[^ -~]*';
UPDATE retired_names SET skeleton = sorted_marks(skeleton) WHERE skeleton GLOB '*[^ -~]*';
