-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION histories_partition_creation() RETURNS integer AS $$
BEGIN
    RETURN 1;
END;
$$ language plpgsql;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION histories_partition_creation();
