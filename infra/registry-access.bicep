// Lets the server for plain Envoys pull its image; deployed into the registry's own resource group.
param registryName string
param xdsPrincipalId string

var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

@description('The image of the server for plain Envoys is pulled.')
resource pullRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, xdsPrincipalId, acrPull)
  scope: registry
  properties: {
    principalId: xdsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
  }
}
