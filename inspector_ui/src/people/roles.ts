import type { Role } from "../api/types";

export const roles: readonly Role[] = ["camera", "inspector", "engineer", "manager", "admin"];

/** Cameras have keys, not passwords. */
export const personRoles: readonly Role[] = roles.filter((role) => role !== "camera");
